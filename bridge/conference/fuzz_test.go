package conference_test

import (
	"testing"

	"parley/bridge/channel"
	"parley/bridge/conference"
	"parley/bridge/conference/conferencetest"
	"parley/internal/logx"
)

func FuzzMessage(f *testing.F) {
	for _, s := range []string{
		`{"colibriClass":"ReceiverVideoConstraints","lastN":-5,"constraints":{"a-v0":{"maxHeight":-9}},"assumedBandwidthBps":-9}`,
		`{"colibriClass":"ReceiverAudioSubscription","mode":"Exclude","list":["a-a0"]}`,
		`{"colibriClass":"SourceVideoTypeMessage","sourceName":"a-v0","videoType":"desktop_high_fps"}`,
		`{"colibriClass":"EndpointMessage","to":"b","msgPayload":{}}`,
		`{"colibriClass":"LastNChangedEvent","lastN":1e9}`,
		`{"colibriClass":"VideoTypeMessage","videoType":"none"}`,
	} {
		f.Add(s)
	}
	net := &conferencetest.Network{}
	server := channel.NewServer(channel.Config{Domains: []string{"d"}, ServerID: "b1"}, logx.Discard())
	set := conference.NewSet(config(), net, server, logx.Discard())
	f.Cleanup(set.Close)
	answered := make(chan error, 2)
	for i, id := range []string{"a", "b"} {
		r := newEndpoint(id)
		r.Sources = sources(id)
		set.Modify(conference.Request{MeetingID: "m", Create: i == 0, Endpoints: []conference.EndpointRequest{r}},
			func(_ conference.Response, err error) { answered <- err })
		if err := <-answered; err != nil {
			f.Fatal(err)
		}
		net.Leg(i).Connect()
	}
	f.Fuzz(func(t *testing.T, text string) {
		net.Leg(0).Say(text)
		net.Leg(1).Heard("")
		if _, ok := set.List()[0].View(); !ok {
			t.Fatal("the conference does not answer any more")
		}
	})
}
