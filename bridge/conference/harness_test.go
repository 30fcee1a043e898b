package conference_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"parley/bridge/allocate"
	"parley/bridge/channel"
	"parley/bridge/conference"
	"parley/bridge/conference/conferencetest"
	"parley/bridge/endpoint"
	"parley/bridge/estimate"
	"parley/bridge/media"
	"parley/internal/logx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func config() conference.Config {
	return conference.Config{
		Allocate: allocate.DefaultConfig(), DefaultMaxHeight: 180, LastN: -1, SSRCLimit: 50, Trust: true,
		Bandwidth:     estimate.Config{Initial: 2_500_000, Min: 30_000, Max: 20_000_000},
		SCTP:          true,
		FirstTransfer: 15 * time.Second, InactiveAfter: 8 * time.Second, Expire: time.Minute,
		NeverActive: 2 * time.Minute, EmptyConference: 20 * time.Second,
	}
}

// meeting is one conference with fake legs.
type meeting struct {
	t   *testing.T
	set *conference.Set
	net *conferencetest.Network
	n   int
}

// meet runs f in a bubble of fake time.
func meet(t *testing.T, f func(m *meeting), edit ...func(*conference.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		for _, e := range edit {
			e(&cfg)
		}
		net := &conferencetest.Network{}
		server := channel.NewServer(channel.Config{Domains: []string{"meet.example.org"}, TLS: true, ServerID: "b1"}, logx.Discard())
		m := &meeting{t: t, set: conference.NewSet(cfg, net, server, logx.Discard()), net: net}
		f(m)
		m.set.Close()
		server.Close(t.Context())
	})
}

// ask sends a request and waits for the answer.
func (m *meeting) ask(req conference.Request) (conference.Response, error) {
	m.t.Helper()
	if req.MeetingID == "" {
		req.MeetingID = "m1"
	}
	var resp conference.Response
	err := errors.New("no answer")
	m.set.Modify(req, func(r conference.Response, e error) { resp, err = r, e })
	synctest.Wait()
	return resp, err
}

func (m *meeting) must(req conference.Request) conference.Response {
	m.t.Helper()
	resp, err := m.ask(req)
	if err != nil {
		m.t.Fatalf("request: %v", err)
	}
	return resp
}

var types = []media.PayloadType{
	{Number: 111, Kind: media.Audio, Codec: media.Opus},
	{Number: 100, Kind: media.Video, Codec: media.VP8, TransportCC: true},
	{Number: 96, Kind: media.Video, Codec: media.RTX, Apt: 100},
}

func newEndpoint(id string, edit ...func(*conference.EndpointRequest)) conference.EndpointRequest {
	r := conference.EndpointRequest{
		ID: id, Create: true, SourceNames: true, PayloadTypes: types,
		Transport: &conference.TransportRequest{Controlling: true, SCTP: &conference.SCTPRequest{}},
	}
	for _, e := range edit {
		e(&r)
	}
	return r
}

// join creates an endpoint with one audio and one video source, connects it, and
// returns its leg.
func (m *meeting) join(id string, edit ...func(*conference.EndpointRequest)) *conferencetest.Leg {
	m.t.Helper()
	create := newEndpoint(id, edit...)
	if !create.Visitor {
		create.Sources = sources(id)
	}
	m.must(conference.Request{Create: m.n == 0, Name: "r@conference.example.org", Endpoints: []conference.EndpointRequest{create}})
	leg := m.net.Leg(m.n)
	m.n++
	leg.Connect()
	m.settle()
	return leg
}

func sources(id string) *[]endpoint.SourceSpec {
	base := uint32(id[0]) * 100
	return &[]endpoint.SourceSpec{
		{Name: id + "-a0", Kind: media.Audio, Encodings: []media.Encoding{{SSRC: base + 1}}},
		{Name: id + "-v0", Kind: media.Video, Encodings: []media.Encoding{{SSRC: base + 2, RTX: base + 3}, {SSRC: base + 4, RTX: base + 5}}},
	}
}

// settle lets decisions that are due happen.
func (m *meeting) settle() {
	synctest.Wait()
	time.Sleep(60 * time.Millisecond)
	synctest.Wait()
}
