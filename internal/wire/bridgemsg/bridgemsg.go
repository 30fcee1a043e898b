// Package bridgemsg holds the JSON messages of the bridge channel, one Go type for each
// colibriClass, and the table from class to type.
//
// Unknown properties of known classes are ignored; an unknown class is reported as
// *UnknownClassError, so that it can be counted. Messages between bridges (AddReceiver,
// RemoveReceiver) are included. How often a message may come, and who may send it, is
// judged in bridge/channel and bridge/endpoint.
package bridgemsg

import (
	"encoding/json"
	"errors"
	"fmt"
)

// MaxSize bounds a message that is decoded.
const MaxSize = 64 << 10

// Message is one message of the channel.
type Message interface {
	// Class is the value of colibriClass.
	Class() string
}

// UnknownClassError says that the message is of a class this package does not know.
type UnknownClassError struct{ Class string }

// Error implements error.
func (e *UnknownClassError) Error() string { return fmt.Sprintf("unknown class %q", e.Class) }

// Errors of Decode.
var (
	ErrTooLarge = errors.New("message too large")
	ErrNoClass  = errors.New("message without colibriClass")
)

// classes is the one table from class to type.
var classes = map[string]func() Message{
	"ClientHello":                           func() Message { return &ClientHello{} },
	"ServerHello":                           func() Message { return &ServerHello{} },
	"EndpointMessage":                       func() Message { return &EndpointMessage{} },
	"EndpointStats":                         func() Message { return &EndpointStats{} },
	"LastNChangedEvent":                     func() Message { return &LastNChangedEvent{} },
	"ReceiverVideoConstraints":              func() Message { return &ReceiverVideoConstraints{} },
	"ReceiverAudioSubscription":             func() Message { return &ReceiverAudioSubscription{} },
	"SourceVideoTypeMessage":                func() Message { return &SourceVideoTypeMessage{} },
	"VideoTypeMessage":                      func() Message { return &VideoTypeMessage{} },
	"DominantSpeakerEndpointChangeEvent":    func() Message { return &DominantSpeakerEndpointChangeEvent{} },
	"EndpointConnectivityStatusChangeEvent": func() Message { return &EndpointConnectivityStatusChangeEvent{} },
	"ForwardedSources":                      func() Message { return &ForwardedSources{} },
	"VideoSourcesMap":                       func() Message { return &VideoSourcesMap{} },
	"AudioSourcesMap":                       func() Message { return &AudioSourcesMap{} },
	"SenderSourceConstraints":               func() Message { return &SenderSourceConstraints{} },
	"ConnectionStats":                       func() Message { return &ConnectionStats{} },
	"SyntheticSourceSendingChangeEvent":     func() Message { return &SyntheticSourceSendingChangeEvent{} },
	"AddReceiver":                           func() Message { return &AddReceiver{} },
	"RemoveReceiver":                        func() Message { return &RemoveReceiver{} },
}

// Decode reads one message. The result is a pointer to the type of its class.
func Decode(b []byte) (Message, error) {
	if len(b) > MaxSize {
		return nil, ErrTooLarge
	}
	var head struct {
		Class string `json:"colibriClass"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("bridge message: %w", err)
	}
	if head.Class == "" {
		return nil, ErrNoClass
	}
	make, ok := classes[head.Class]
	if !ok {
		return nil, &UnknownClassError{Class: head.Class}
	}
	m := make()
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("bridge message %s: %w", head.Class, err)
	}
	return m, nil
}

// Encode writes the message with its class first.
func Encode(m Message) ([]byte, error) {
	if o, ok := m.(opaque); ok {
		return o.encode()
	}
	body, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("bridge message %s: %w", m.Class(), err)
	}
	out := make([]byte, 0, len(body)+40)
	out = append(out, `{"colibriClass":"`...)
	out = append(out, m.Class()...)
	out = append(out, '"')
	if len(body) > 2 { // more than {}
		out = append(out, ',')
	}
	return append(out, body[1:]...), nil
}

// opaque messages carry properties the bridge does not know.
type opaque interface{ encode() ([]byte, error) }

// object is a JSON object of which only some members matter.
type object map[string]json.RawMessage

func (o object) text(key string) string {
	var s string
	if json.Unmarshal(o[key], &s) != nil {
		return ""
	}
	return s
}

// with encodes o with the given members set.
func (o object) with(set map[string]string) ([]byte, error) {
	c := make(object, len(o)+len(set))
	for k, v := range o {
		c[k] = v
	}
	for k, v := range set {
		b, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		c[k] = b
	}
	return json.Marshal(c)
}
