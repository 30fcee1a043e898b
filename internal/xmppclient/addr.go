package xmppclient

import "strings"

// The addresses in stanzas that a server routed are already prepared (RFC 7622), so the
// parts can be cut out of the text. Addresses from configuration go through jid.Parse.

// Bare is the address without its resource.
func Bare(addr string) string {
	bare, _, _ := strings.Cut(addr, "/")
	return bare
}

// Resource is what stands behind the first slash; in a room it is the nick.
func Resource(addr string) string {
	_, res, _ := strings.Cut(addr, "/")
	return res
}

// Domain is the domain part.
func Domain(addr string) string {
	bare := Bare(addr)
	if _, domain, ok := strings.Cut(bare, "@"); ok {
		return domain
	}
	return bare
}

// Local is the part before the @, "" if there is none.
func Local(addr string) string {
	local, _, ok := strings.Cut(Bare(addr), "@")
	if !ok {
		return ""
	}
	return local
}
