package meetweb

import "errors"

// errNoXMPP is what bad health reads like to the outside, where addresses of
// our parts are nobody's business.
var errNoXMPP = errors.New("the XMPP server does not answer")
