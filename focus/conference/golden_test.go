package conference_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"parley/focus/conference"
	"parley/internal/wire/ns"
	"parley/internal/wiretest"
)

// The files in testdata were recorded between an unmodified Jicofo, an unmodified
// bridge and lib-jitsi-meet of August 2026 (data channels off).

func recorded(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name + ".xml")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// inner is the payload of an IQ.
func inner(iq string) string {
	return iq[strings.Index(iq, ">")+1 : strings.LastIndex(iq, "</iq>")]
}

// blank takes out what differs from run to run, and what is left out on purpose:
// tracing, and attributes of fingerprints that the bridge did not write.
func blank(s string) string {
	for _, x := range []struct{ from, to string }{
		{`<traceparent [^>]*/>`, ``},
		{`<traceparent [^>]*></traceparent>`, ``},
		{` (required|cryptex)=['"]false['"]`, ``},
		{` sid=['"][^'"]*['"]`, ` sid='S'`},
		{`(<bridge-session [^>]*)id=['"][^'"]*['"]`, `${1}id='B'`},
		{` meeting-id=['"][^'"]*['"]`, ` meeting-id='M'`},
		{` name=['"]demo@[^'"]*['"]`, ` name='ROOM'`},
		{` initiator=['"][^'"]*['"]`, ` initiator='FOCUS'`},
		{`(xmlns=['"]http://jitsi.org/protocol/colibri['"]) url=(['"][^'"]*['"])`, `url=$2 $1`},
		{`ws://localhost:9090`, `ws://localhost:9090`},
	} {
		s = regexp.MustCompile(x.from).ReplaceAllString(s, x.to)
	}
	return s
}

func TestOfferAsRecorded(t *testing.T) {
	play(t, func(w *world) {
		b := w.bridge("jvb-a")
		b.fixed = inner(recorded(t, "allocated"))
		manual := func(c *client) { c.manual, c.extra = true, "<stats-id>Ernestina-T4m</stats-id>" }
		ann := w.enter("1d615206", 10, manual)
		w.enter("97635f21", 20, manual)

		if len(ann.raw) != 1 {
			t.Fatalf("got %d stanzas, want the offer", len(ann.raw))
		}
		got := inner(ann.raw[0])
		if d := wiretest.Diff([]byte(blank(inner(recorded(t, "session-initiate")))), []byte(blank(got))); d != "" {
			t.Errorf("offer (-recorded +ours):\n%s", d)
		}
		if err := wiretest.CheckNamespaces([]byte(ann.raw[0])); err != nil {
			t.Error(err)
		}
		names := regexp.MustCompile(`<content [^>]*name="(\w+)"`).FindAllStringSubmatch(got, -1)
		if names[0][1] != "audio" || names[1][1] != "video" {
			t.Errorf("contents out of order: %v", names)
		}
	}, func(c *conference.Config) { c.SCTP = false })
}

func TestAllocationAsRecorded(t *testing.T) {
	play(t, func(w *world) {
		b := w.bridge("jvb-a")
		w.enter("1d615206", 10)
		w.enter("97635f21", 20)
		got := encode(t, b.got()[0])
		want := blank(inner(recorded(t, "allocate")))
		want = strings.ReplaceAll(want, " rtcstats-enabled='false'", "")
		want = strings.ReplaceAll(want, "Ernestina-T4m", "S-1d615206")
		// Jicofo names video first, we audio; nobody cares.
		video := want[strings.Index(want, "<media type='video'>"):strings.Index(want, "<media type='audio'>")]
		want = strings.Replace(strings.Replace(want, video, "", 1), "<transport ", video+"<transport ", 1)
		if d := wiretest.Diff([]byte(want), []byte(blank(got))); d != "" {
			t.Errorf("request (-recorded +ours):\n%s", d)
		}
		if err := wiretest.CheckNamespaces([]byte(got)); err != nil {
			t.Error(err)
		}
	}, func(c *conference.Config) { c.SCTP = false })
}

func TestOfferByFeatures(t *testing.T) {
	without := func(drop ...string) []string {
		var out []string
		for _, f := range headFeatures {
			keep := true
			for _, d := range drop {
				keep = keep && f != d
			}
			if keep {
				out = append(out, f)
			}
		}
		return out
	}
	for _, tc := range []struct {
		name     string
		features []string
		want     []string
		not      []string
	}{
		{"head", headFeatures, []string{"transport-cc", `name="rtx"`, `name="data"`, "sctpmap", "json-message", "AV1", `apt`}, []string{"goog-remb", "<ssrc-info"}},
		{"no tcc", without(ns.FeatureTCC), []string{"goog-remb"}, []string{"transport-cc", "transport-wide"}},
		{"no rtx", without(ns.FeatureRTX), nil, []string{`name="rtx"`}},
		{"no data", without(ns.FeatureSCTP), []string{"web-socket"}, []string{`name="data"`, "sctpmap"}},
		{"no json", without(ns.FeatureJSONSources), []string{"ssrc-info", "mixedmslabel"}, []string{"json-message"}},
		{"audio only", without(ns.FeatureVideo), []string{`media="audio"`}, []string{`media="video"`, "jvb-v0"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			play(t, func(w *world) {
				w.bridge("jvb")
				c := w.enter("kim", 10, func(c *client) { c.features = tc.features })
				w.enter("ada", 100)
				offer := c.raw[0]
				for _, s := range tc.want {
					if !strings.Contains(offer, s) {
						t.Errorf("offer lacks %s:\n%s", s, offer)
					}
				}
				for _, s := range tc.not {
					if strings.Contains(offer, s) {
						t.Errorf("offer has %s:\n%s", s, offer)
					}
				}
				if err := wiretest.CheckNamespaces([]byte(offer)); err != nil {
					t.Error(err)
				}
				c.check()
			})
		})
	}
}

func TestRedundantAudioGoesToThoseWhoKnowIt(t *testing.T) {
	play(t, func(w *world) {
		w.bridge("jvb")
		kim := w.enter("kim", 10, func(c *client) { c.features = append([]string{ns.FeatureOpusRED}, headFeatures...) })
		ada := w.enter("ada", 100)
		if offer := kim.raw[0]; !strings.Contains(offer, `name="red"`) || !strings.Contains(offer, "111/111") || !strings.Contains(offer, "useinbandfec") {
			t.Errorf("not an offer of redundant audio:\n%s", offer)
		}
		if offer := ada.raw[0]; strings.Contains(offer, `name="red"`) || !strings.Contains(offer, "useinbandfec") {
			t.Errorf("not the offer of plain Opus:\n%s", offer)
		}
	})
	play(t, func(w *world) {
		w.bridge("jvb")
		kim := w.enter("kim", 10, func(c *client) { c.features = append([]string{ns.FeatureOpusRED}, headFeatures...) })
		w.enter("ada", 100)
		if offer := kim.raw[0]; strings.Contains(offer, `name="red"`) {
			t.Errorf("redundant audio is offered although it is off:\n%s", offer)
		}
	}, func(c *conference.Config) { c.Codec.OpusRED = false })
}

func TestRewritingClient(t *testing.T) {
	play(t, func(w *world) {
		b := w.bridge("jvb1")
		kim := w.enter("kim", 3000, func(c *client) {
			c.features = append([]string{ns.FeatureSSRCRewriting, ns.FeatureMIDDemux}, headFeatures...)
		})
		ada := w.enter("ada", 2000)
		var caps []string
		for _, c := range firstAbout(b, "kim").Capabilities {
			caps = append(caps, c.Name)
		}
		same(t, "capabilities of kim", caps, []string{"source-names", "ssrc-rewriting", "rtp-mid-demux"})
		same(t, "kim heard", kim.log(), []string{"session-initiate"})
		same(t, "kim sees of the bridge", kim.sees("jvb"), []uint32{1001, 1002})
		same(t, "ada sees of kim", len(ada.sees("kim")), 3)
	})
}
