package muc

import (
	"strings"

	"golang.org/x/text/secure/precis"
)

// nickKey is what two nicks have in common that people would take for the same:
// compared as the Nickname profile says (RFC 8266), and with letters of other
// scripts that look like Latin ones replaced by those. Somebody else's nick of the
// same key is refused.
func nickKey(nick string) string {
	if plainNick(nick) {
		return strings.ToLower(nick)
	}
	key, err := precis.Nickname.CompareKey(nick)
	if err != nil {
		key = strings.ToLower(nick)
	}
	return strings.Map(func(c rune) rune {
		if l, ok := lookalikes[c]; ok {
			return l
		}
		return c
	}, key)
}

// lookalikes are the lower-case letters of Cyrillic, Greek and Armenian that cannot
// be told from Latin ones in the usual fonts.
var lookalikes = map[rune]rune{
	'а': 'a', 'с': 'c', 'ԁ': 'd', 'е': 'e', 'һ': 'h', 'і': 'i', 'ј': 'j', 'ӏ': 'l', 'о': 'o', 'р': 'p',
	'ԛ': 'q', 'ѕ': 's', 'ѵ': 'v', 'ԝ': 'w', 'х': 'x', 'у': 'y', 'ү': 'y',
	'α': 'a', 'ι': 'i', 'ν': 'v', 'ο': 'o', 'ρ': 'p', 'υ': 'u', 'ϲ': 'c', 'ϳ': 'j', 'κ': 'k', 'χ': 'x',
	'օ': 'o', 'ս': 'u', 'հ': 'h', 'ո': 'n', 'ց': 'g', 'զ': 'q',
	'ı': 'i', 'ɑ': 'a', 'ɡ': 'g',
}
