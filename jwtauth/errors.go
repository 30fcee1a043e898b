package jwtauth

import "fmt"

// Kind is why a token was refused. Its text is a stable label for logs and
// metrics.
type Kind uint8

// The reasons for which a token is refused at log-in.
const (
	Missing        Kind = iota + 1 // no token where one is needed
	Malformed                      // not a JWT, or a claim of the wrong type
	AlgNone                        // unsigned on purpose
	WrongAlg                       // another algorithm than ours, HS for RS among them
	UnknownKey                     // kid missing or not in the key set
	BadSignature                   // not signed with our key
	Expired                        // exp is over
	NotYetValid                    // nbf is still to come
	NoExpiry                       // exp missing though required
	WrongIssuer                    // iss missing or not accepted
	WrongAudience                  // aud missing or not accepted
	NoRoom                         // room missing though required
	NoSubject                      // sub missing
	KeyUnavailable                 // the key could not be fetched
	Banned                         // good, but its holder is shut out
)

var kindNames = [...]string{
	Missing: "missing", Malformed: "malformed", AlgNone: "alg-none", WrongAlg: "wrong-algorithm",
	UnknownKey: "unknown-key", BadSignature: "bad-signature", Expired: "expired", NotYetValid: "not-yet-valid",
	NoExpiry: "no-expiry", WrongIssuer: "wrong-issuer", WrongAudience: "wrong-audience", NoRoom: "no-room",
	NoSubject: "no-subject", KeyUnavailable: "key-unavailable", Banned: "banned",
}

// String is the label of the kind, such as "expired".
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return fmt.Sprintf("kind-%d", uint8(k))
}

// Error is a refused token. It never contains the token or parts of it.
type Error struct {
	Kind Kind
	// Text is what web clients know the refusal by; it goes on the wire as it is.
	Text string
	// Condition is the SASL condition that goes with it: not-allowed, or
	// not-authorized for two late checks.
	Condition string
	// Cause is what stood behind it, for the log; nil where Text says it all.
	Cause error
}

// Error names kind, text and cause.
func (e *Error) Error() string {
	s := "token refused: " + e.Kind.String() + ": " + e.Text
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is makes errors.Is compare kinds only.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind
}

func refuse(k Kind, text string) *Error {
	return &Error{Kind: k, Text: text, Condition: "not-allowed"}
}

// RoomError says why verified claims do not open a room.
type RoomError struct {
	// Text is the sentence clients show.
	Text string
	// Tag is the element of the namespace http://jitsi.org/jitmeet that tells
	// clients which case it is; empty where they know none.
	Tag string
}

// Error is the text.
func (e *RoomError) Error() string { return "room refused: " + e.Text }

// The room refusals, compared with errors.Is or by pointer.
var (
	ErrRoomAddress    = &RoomError{Text: "Room address is invalid", Tag: "invalid-room-address"}
	ErrRoomMissing    = &RoomError{Text: "Room does not exist", Tag: "room-does-not-exist"}
	ErrAuthRequired   = &RoomError{Text: "Authentication required", Tag: "authentication-required"}
	ErrRoomMismatch   = &RoomError{Text: "Room does not match the room from token", Tag: "room-mismatch"}
	ErrRoomPattern    = &RoomError{Text: "Room claim is not a valid Lua pattern", Tag: "invalid-regex"}
	ErrRoomName       = &RoomError{Text: "Room name cannot be matched to the one from token.", Tag: "room-name-does-not-match"}
	ErrServerConfig   = &RoomError{Text: "Misconfiguration of server", Tag: "server-missing-config"}
	ErrDomainMismatch = &RoomError{Text: "Room and token mismatched"}
)
