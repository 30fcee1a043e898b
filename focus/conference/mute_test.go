package conference_test

import (
	"fmt"
	"testing"

	"parley/internal/wire/colibri"
	"parley/internal/wire/jitsimeet"
	"parley/internal/wire/ns"
)

func mute(target, text string) string {
	return fmt.Sprintf(`<mute xmlns="%s" jid="%s">%s</mute>`, ns.Audio, target, text)
}

func TestMute(t *testing.T) {
	pair(t, func(w *world, b *fakeBridge, kim, ada *client) {
		rec := w.enter("rec", 7000, func(c *client) {
			c.real = "recorder@recorder.example/r"
			c.extra = `<features><feature var="` + ns.Jibri + `"/></features>`
		})
		w.enter("carol", 1, func(c *client) { c.features = []string{"x"} })
		for _, tc := range []struct{ name, from, payload, want string }{
			{"moderator mutes", kim.addr(), mute(ada.addr(), "true"), "ok"},
			{"self", ada.addr(), mute(ada.addr(), "true"), "ok"},
			{"self unmutes", ada.addr(), mute(ada.addr(), "false"), "ok"},
			{"not boolean", kim.addr(), mute(ada.addr(), "maybe"), "bad-request"},
			{"no jid", kim.addr(), `<mute xmlns="` + ns.Audio + `">true</mute>`, "bad-request"},
			{"no moderator", ada.addr(), mute(kim.addr(), "true"), "not-allowed"},
			{"sender without media", room + "/carol", mute(kim.addr(), "true"), "internal-server-error"},
			{"target unknown", kim.addr(), mute(room+"/ghost", "true"), "internal-server-error"},
			{"target elsewhere", kim.addr(), mute("other@conference.example/ada", "true"), "internal-server-error"},
			{"unmute of others", kim.addr(), mute(ada.addr(), "false"), "not-allowed"},
			{"recorder", kim.addr(), mute(rec.addr(), "true"), "not-allowed"},
		} {
			begins(t, tc.name, w.callAs(tc.from, "set", tc.payload), tc.want)
		}
		w.settle()
		same(t, "ada was told", ada.mutes, []string{ns.Audio + "=true by " + kim.addr()})
		for _, m := range b.got() {
			for _, e := range m.Endpoints {
				if e.ForceMute != nil {
					t.Errorf("the bridge was told to mute: %+v", e)
				}
			}
		}
	})
}

func TestFakeRecorderIsAPerson(t *testing.T) {
	pair(t, func(w *world, _ *fakeBridge, kim, _ *client) {
		liar := w.enter("liar", 7000, func(c *client) {
			c.extra = `<features><feature var="` + ns.Jibri + `"/></features>`
		})
		same(t, "mute", w.callAs(kim.addr(), "set", mute(liar.addr(), "true")), "ok")
	})
}

func TestModeration(t *testing.T) {
	pair(t, func(w *world, b *fakeBridge, kim, ada *client) {
		bob := w.enter("bob", 4000)
		on, off := true, false
		say := func(media string, on *bool) {
			w.conf.Moderation(jitsimeet.AVModeration{Room: room, Enabled: on, MediaType: media, Actor: kim.addr()})
			w.settle()
		}
		allow := func(media string, list ...string) {
			w.conf.Moderation(jitsimeet.AVModeration{Room: room, Whitelists: map[string][]string{media: list}})
			w.settle()
		}
		force := func(id string) colibri.ForceMute {
			e := b.last(id)
			if e.ForceMute == nil {
				return colibri.ForceMute{}
			}
			return *e.ForceMute
		}
		allow("audio", kim.addr(), bob.addr())
		say("audio", &on)
		same(t, "bridge mutes ada", force("ada"), colibri.ForceMute{Audio: true})
		same(t, "bridge mutes bob", force("bob"), colibri.ForceMute{})
		same(t, "ada was told", ada.mutes, []string{ns.Audio + "=true by "})
		same(t, "the actor was told", len(kim.mutes), 0)
		same(t, "the allowed one was told", len(bob.mutes), 0)

		begins(t, "ada unmutes", w.callAs(ada.addr(), "set", mute(ada.addr(), "false")), "not-allowed")
		allow("audio", kim.addr(), ada.addr())
		same(t, "allowed, not asked yet", force("ada"), colibri.ForceMute{Audio: true})
		same(t, "ada unmutes", w.callAs(ada.addr(), "set", mute(ada.addr(), "false")), "ok")
		w.settle()
		same(t, "bridge after that", force("ada"), colibri.ForceMute{})

		say("video", &on)
		same(t, "video alone", force("bob").Video, false)
		say("desktop", &on)
		same(t, "video and desktop", force("bob").Video, true)

		late := w.enter("late", 5000)
		if e := firstAbout(b, "late"); e.ForceMute == nil || !e.ForceMute.Audio || !e.ForceMute.Video {
			t.Errorf("a late one is created with %+v", e.ForceMute)
		}
		late.check()

		before := len(b.got())
		say("audio", &off)
		w.settle()
		same(t, "requests when it ends", len(b.got())-before, 0)
		same(t, "late unmutes", w.callAs(late.addr(), "set", mute(late.addr(), "false")), "ok")
		w.settle()
		same(t, "bridge after that", force("late"), colibri.ForceMute{Video: true})
	})
}

func firstAbout(b *fakeBridge, id string) *colibri.Endpoint {
	for _, m := range b.got() {
		for i := range m.Endpoints {
			if m.Endpoints[i].ID == id {
				return &m.Endpoints[i]
			}
		}
	}
	return nil
}
