package source_test

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"parley/internal/source"
	"parley/internal/wire/colibri"
	"parley/internal/wire/jingle"
	"parley/internal/wiretest"
)

// Ada sends a microphone and a camera in three layers with retransmission.
func ada() source.Set {
	v := func(ssrc uint32) source.Source {
		return source.Source{Media: source.Video, SSRC: ssrc, Name: "ada-v0", MSID: "ada-video-0-1 t", VideoType: source.Camera}
	}
	g := func(semantics string, ssrcs ...uint32) source.Group {
		return source.Group{Media: source.Video, Semantics: semantics, SSRCs: ssrcs}
	}
	return source.Set{
		Sources: []source.Source{
			{Media: source.Audio, SSRC: 1, Name: "ada-a0", MSID: "ada-audio-0-1 t"},
			v(11), v(12), v(13), v(21), v(22), v(23),
		},
		Groups: []source.Group{g("FID", 11, 21), g("SIM", 11, 12, 13), g("FID", 12, 22), g("FID", 13, 23)},
	}
}

func TestStripSimulcast(t *testing.T) {
	s := ada().StripSimulcast()
	assert.Equal(t, []uint32{1, 11, 21}, ssrcs(s))
	assert.Equal(t, []source.Group{{Media: "video", Semantics: "FID", SSRCs: []uint32{11, 21}}}, s.Groups)
	assert.Len(t, ada().Sources, 7)
	assert.Equal(t, s, s.StripSimulcast())
}

func ssrcs(s source.Set) []uint32 {
	var out []uint32
	for _, x := range s.Sources {
		out = append(out, x.SSRC)
	}
	return out
}

func TestSetAlgebra(t *testing.T) {
	a := ada()
	audio := a.Only(true, false)
	assert.Equal(t, []uint32{1}, ssrcs(audio))
	assert.Empty(t, audio.Groups)
	video := a.Only(false, true)
	assert.Len(t, video.Groups, 4)
	assert.Equal(t, video, a.Minus(audio))
	added, removed := audio.Diff(video)
	assert.Equal(t, video, added)
	assert.Equal(t, audio, removed)
	assert.Equal(t, a.Sources, audio.Union(video).Sources)
	assert.Equal(t, a, a.Union(video))
	assert.Equal(t, []string{"ada-a0", "ada-v0"}, a.Names())
	assert.True(t, source.Set{}.Empty())
	// Without a member a group says nothing any more.
	rest := a.Minus(source.Set{Sources: []source.Source{{SSRC: 13}}})
	assert.Len(t, rest.Groups, 2)
}

func TestConferenceRules(t *testing.T) {
	type src = source.Source
	type grp = source.Group
	video := func(ssrc uint32, msid string) src { return src{Media: "video", SSRC: ssrc, MSID: msid} }
	fid := func(s ...uint32) grp { return grp{Media: "video", Semantics: "FID", SSRCs: s} }
	many := func(n int) (s source.Set) {
		for i := range n {
			s.Sources = append(s.Sources, src{Media: "audio", SSRC: uint32(1000 + i)})
		}
		return s
	}
	for _, c := range []struct {
		name string
		set  source.Set
		err  string
	}{
		{"zero", source.Set{Sources: []src{video(0, "")}}, "Invalid SSRC"},
		{"unknown media", source.Set{Sources: []src{{SSRC: 5}}}, "Invalid media"},
		{"somebody's SSRC", source.Set{Sources: []src{video(11, "")}}, "SSRC 11 is already used"},
		{"twice", source.Set{Sources: []src{video(5, ""), video(5, "")}}, "SSRC 5 is already used"},
		{"somebody's msid", source.Set{Sources: []src{video(5, "ada-video-0-1 t")}}, "MSID ada-video-0-1 t is already used"},
		{"msid of two videos", source.Set{Sources: []src{video(5, "m"), video(6, "m")}}, "MSID m is already used"},
		{"msid of two audios", source.Set{Sources: []src{{Media: "audio", SSRC: 5, MSID: "m"}, {Media: "audio", SSRC: 6, MSID: "m"}}}, "MSID m"},
		{"msid of audio and video", source.Set{Sources: []src{video(5, "m"), {Media: "audio", SSRC: 6, MSID: "m"}}}, ""},
		{"pair", source.Set{Sources: []src{video(5, "m"), video(6, "m")}, Groups: []grp{fid(5, 6)}}, ""},
		{"20", many(20), ""},
		{"21", many(21), "SSRC limit of 20 exceeded"},
		{"group without msid", source.Set{Sources: []src{video(5, ""), video(6, "")}, Groups: []grp{fid(5, 6)}}, "'msid' is not present"},
		{"group of two msids", source.Set{Sources: []src{video(5, "m"), video(6, "n")}, Groups: []grp{fid(5, 6)}}, "group MSID mismatch"},
		{"group of strangers", source.Set{Sources: []src{video(5, "m")}, Groups: []grp{fid(5, 11)}}, "group contains unknown SSRC 11"},
		{"group of three", source.Set{Sources: []src{video(5, "m"), video(6, "m"), video(7, "m")}, Groups: []grp{fid(5, 6, 7)}}, "Invalid FID group"},
		{"empty and repeated groups", source.Set{Sources: []src{video(5, "m"), video(6, "m")},
			Groups: []grp{fid(), fid(5, 6), fid(5, 6)}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := source.NewConference(source.DefaultLimits())
			_, err := conf.Add("ada", ada())
			require.NoError(t, err)
			got, err := conf.Add("bob", c.set)
			if c.err != "" {
				require.ErrorIs(t, err, source.ErrInvalid)
				assert.ErrorContains(t, err, c.err)
				assert.True(t, conf.Get("bob").Empty(), "nothing of a refused request is applied")
				return
			}
			require.NoError(t, err)
			assert.Equal(t, got, conf.Get("bob"))
			assert.LessOrEqual(t, len(got.Groups), 1)
		})
	}
	conf := source.NewConference(source.Limits{Sources: 20, Groups: 3})
	_, err := conf.Add("ada", ada())
	assert.ErrorContains(t, err, "ssrc-group limit of 3 exceeded")
}

func TestConferenceRemove(t *testing.T) {
	conf := source.NewConference(source.DefaultLimits())
	_, err := conf.Add("ada", ada())
	require.NoError(t, err)
	_, err = conf.Remove("bob", source.Set{Sources: []source.Source{{SSRC: 1}}})
	require.ErrorContains(t, err, "does not exist or is not owned")
	_, err = conf.Remove("ada", source.Set{Groups: []source.Group{{Media: "video", Semantics: "FID", SSRCs: []uint32{1, 2}}}})
	require.ErrorContains(t, err, "group does not exist")

	gone, err := conf.Remove("ada", source.Set{Sources: []source.Source{{SSRC: 13}, {SSRC: 23}}})
	require.NoError(t, err)
	assert.Equal(t, "ada-v0", gone.Sources[0].Name, "what is gone is described completely")
	assert.Len(t, gone.Groups, 2)
	assert.Len(t, conf.Get("ada").Sources, 5)
	// The msid is still in use, the SSRC is free.
	_, err = conf.Add("bob", source.Set{Sources: []source.Source{{Media: "video", SSRC: 13, MSID: "ada-video-0-1 t"}}})
	require.Error(t, err)
	_, err = conf.Add("bob", source.Set{Sources: []source.Source{{Media: "video", SSRC: 13, MSID: "bob"}}})
	require.NoError(t, err)

	assert.Len(t, conf.All(), 2)
	assert.Len(t, conf.Others("bob"), 1)
	assert.Len(t, conf.RemoveOwner("ada").Sources, 5)
	assert.Len(t, conf.All(), 1)
	_, err = conf.Add("eve", ada().Only(true, false))
	require.NoError(t, err)
}

func TestChanges(t *testing.T) {
	var c source.Changes
	assert.True(t, c.Empty())
	a := ada()
	c.Add("ada", a)
	c.Add("bob", source.Set{Sources: []source.Source{{Media: "audio", SSRC: 9}}})
	c.Remove("ada", a.Only(false, true))
	removed, added := c.Take()
	assert.Empty(t, removed)
	assert.Equal(t, []uint32{1}, ssrcs(added["ada"]))
	assert.Empty(t, added["ada"].Groups)
	assert.True(t, c.Empty())

	c.Remove("ada", a)
	c.Add("ada", a)
	assert.True(t, c.Empty(), "a removal and an addition of the same cancel out")

	changed := a.Only(true, false)
	changed.Sources = slices.Clone(changed.Sources)
	changed.Sources[0].MSID = "other"
	c.Remove("ada", a.Only(true, false))
	c.Add("ada", changed)
	removed, added = c.Take()
	assert.Equal(t, "ada-audio-0-1 t", removed["ada"].Sources[0].MSID)
	assert.Equal(t, "other", added["ada"].Sources[0].MSID)
}

func TestJSON(t *testing.T) {
	desktop := source.Set{Sources: []source.Source{{Media: "video", SSRC: 3101, Name: "a1b2c3d4-v1", MSID: "a1b2c3d4-video-1-1 c0de", VideoType: "desktop"}}}
	want := `{"sources":{"a1b2c3d4":[[{"s":3101,"n":"a1b2c3d4-v1","m":"a1b2c3d4-video-1-1 c0de","v":"d"}],[],[]]}}`
	text := source.EncodeJSON(map[string]source.Set{"a1b2c3d4": desktop})
	assert.Equal(t, want, text)
	back, err := source.DecodeJSON(text)
	require.NoError(t, err)
	assert.Equal(t, map[string]source.Set{"a1b2c3d4": desktop}, back)

	text = source.EncodeJSON(map[string]source.Set{"zoe": ada().StripSimulcast(), "ada": {}, source.Feedback: {}})
	assert.Equal(t, `{"sources":{"jvb":[[],[],[]],"ada":[[],[],[]],"zoe":[[{"s":11,"n":"ada-v0","m":"ada-video-0-1 t"},{"s":21,"n":"ada-v0","m":"ada-video-0-1 t"}],[["f",11,21]],[{"s":1,"n":"ada-a0","m":"ada-audio-0-1 t"}]]}}`, text)

	for _, bad := range []string{"", "[]", `{"sources":{"a":[1]}}`, `{"sources":{"a":[[{"s":-1}]]}}`,
		`{"sources":{"a":[[],[[7]]]}}`, `{"sources":{"a":[[],[["f","x"]]]}}`, string(make([]byte, 2<<20))} {
		_, err := source.DecodeJSON(bad)
		assert.ErrorIs(t, err, source.ErrInvalid, bad[:min(len(bad), 40)])
	}
}

// What Jicofo made of a client's session-accept, in the recording both stanzas are from.
func TestRecorded(t *testing.T) {
	accept := wiretest.Decode[jingle.Jingle](t, wiretest.Read(t, filepath.Join("testdata", "accept.xml")))
	s, err := source.FromJingle(accept.Contents)
	require.NoError(t, err)

	modify := wiretest.Decode[colibri.Modify](t, wiretest.Read(t, filepath.Join("testdata", "modify.xml")))
	want, err := xml.Marshal(modify.Endpoints[0].Sources)
	require.NoError(t, err)
	got, err := xml.Marshal(s.Colibri("97635f21"))
	require.NoError(t, err)
	assert.Empty(t, wiretest.Diff(want, got))

	add := wiretest.Decode[jingle.Jingle](t, wiretest.Read(t, filepath.Join("testdata", "source-add.xml")))
	assert.Equal(t, add.JSONSources.Text, source.EncodeJSON(map[string]source.Set{"97635f21": s.StripSimulcast()}))
	back, err := source.FromColibri(modify.Endpoints[0].Sources)
	require.NoError(t, err)
	assert.ElementsMatch(t, ssrcs(s), ssrcs(back))
	assert.Len(t, back.Groups, len(s.Groups))
}

func TestXMLForm(t *testing.T) {
	contents := source.Contents(map[string]source.Set{"ada": ada()})
	require.Len(t, contents, 2)
	assert.Equal(t, "audio video", contents[0].Name+" "+contents[1].Name)
	x := contents[1].Description.Sources[0]
	assert.Equal(t, "ada", x.Info.Owner)
	assert.Equal(t, "ada-video-0-1 t", x.MSID())
	back, err := source.FromJingle(contents)
	require.NoError(t, err)
	assert.Equal(t, ada(), back)
	out, err := xml.Marshal(jingle.Jingle{Action: jingle.SourceAdd, SID: "s", Contents: contents})
	require.NoError(t, err)
	require.NoError(t, wiretest.CheckNamespaces(out))

	// A client of 2021 gives no names: the bridge hears made-up ones.
	old := ada()
	for i := range old.Sources {
		old.Sources[i].Name = ""
	}
	c := old.Colibri("e1")
	assert.Equal(t, "e1-a0 e1-v0", c.Media[0].ID+" "+c.Media[1].ID)
	assert.Len(t, c.Media[1].Groups, 4)

	for _, bad := range []jingle.Source{{SSRC: 0}, {SSRC: 1, VideoType: "dance"}} {
		_, err := source.FromJingle([]jingle.Content{{Description: &jingle.Description{Media: "video", Sources: []jingle.Source{bad}}}})
		assert.ErrorIs(t, err, source.ErrInvalid)
	}
	_, err = source.FromColibri(&colibri.Sources{Media: []colibri.MediaSource{{Type: "smell"}}})
	require.ErrorIs(t, err, source.ErrInvalid)
	s, err := source.FromColibri(nil)
	require.NoError(t, err)
	assert.True(t, s.Empty())
}

func TestFeedbackSet(t *testing.T) {
	s, err := source.FromColibri(&colibri.Sources{Media: []colibri.MediaSource{
		{Type: "audio", ID: "jvb-a0", Sources: []jingle.Source{{SSRC: 1}}},
		{Type: "video", ID: "jvb-v0", Sources: []jingle.Source{{SSRC: 2, Name: "jvb-v0"}}},
	}})
	require.NoError(t, err)
	assert.Equal(t,
		`{"sources":{"jvb":[[{"s":2,"n":"jvb-v0","m":"mixedmslabel mixedlabelvideo0"}],[],[{"s":1,"n":"jvb-a0","m":"mixedmslabel mixedlabelaudio0"}]]}}`,
		source.EncodeJSON(map[string]source.Set{source.Feedback: source.FeedbackSet(s)}))
}

// Whatever is added and removed, in whatever order: an SSRC has one owner, and what was
// removed can be added again by anybody.
func TestConferenceInvariant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		conf := source.NewConference(source.Limits{Sources: 4, Groups: 4})
		owners := []string{"a", "b", "c"}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			owner := rapid.SampledFrom(owners).Draw(t, "owner")
			x := source.Source{
				Media: rapid.SampledFrom([]string{"audio", "video"}).Draw(t, "media"),
				SSRC:  uint32(rapid.IntRange(1, 6).Draw(t, "ssrc")),
				MSID:  rapid.SampledFrom([]string{"", "m", "n"}).Draw(t, "msid"),
			}
			s := source.Set{Sources: []source.Source{x}}
			if rapid.Bool().Draw(t, "add") {
				_, _ = conf.Add(owner, s)
			} else {
				_, _ = conf.Remove(owner, s)
			}
			seen, streams := map[uint32]string{}, map[string]string{}
			for o, set := range conf.All() {
				for _, x := range set.Sources {
					if other, ok := seen[x.SSRC]; ok {
						t.Fatalf("%d belongs to %s and %s", x.SSRC, o, other)
					}
					seen[x.SSRC] = o
					if other, ok := streams[x.MSID]; ok && x.MSID != "" && other != o {
						t.Fatalf("%s belongs to %s and %s", x.MSID, o, other)
					}
					streams[x.MSID] = o
				}
			}
		}
		for _, o := range owners {
			conf.RemoveOwner(o)
		}
		if _, err := conf.Add("d", ada().Only(true, false)); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzDecodeJSON(f *testing.F) {
	f.Add(source.EncodeJSON(map[string]source.Set{"ada": ada()}))
	f.Add(`{"sources":{"a":[[],[["f",1,2]],[],[["x",3]]]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := source.DecodeJSON(text)
		if err != nil {
			return
		}
		out := source.EncodeJSON(m)
		again, err := source.DecodeJSON(out)
		if err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if source.EncodeJSON(again) != out {
			t.Fatalf("%s became %s", out, source.EncodeJSON(again))
		}
	})
}

func FuzzFromJingle(f *testing.F) {
	b, err := os.ReadFile(filepath.Join("testdata", "accept.xml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var j jingle.Jingle
		if xml.Unmarshal(b, &j) != nil {
			return
		}
		s, err := source.FromJingle(j.Contents)
		if err != nil {
			return
		}
		_, _ = source.NewConference(source.DefaultLimits()).Add("a", s)
		_ = s.StripSimulcast().Colibri("a")
	})
}
