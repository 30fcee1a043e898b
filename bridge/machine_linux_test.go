package bridge

import (
	"testing"
	"time"
)

func TestMachineTime(t *testing.T) {
	busy, total, ok := parseMachine("cpu  100 10 50 800 20 5 5 10 30 1")
	if !ok || busy != 180*clockTick || total != 1000*clockTick {
		t.Errorf("busy %v of %v, %v", busy, total, ok)
	}
	for _, bad := range []string{"", "cpu", "intr 1 2 3 4 5 6", "cpu 1 2 x 4 5", "cpu 1 2 -3 4 5"} {
		if _, _, ok := parseMachine(bad); ok {
			t.Errorf("%q was read", bad)
		}
	}
	if _, total, ok := machineTime(); !ok || total < time.Second {
		t.Errorf("this machine tells %v %v", total, ok)
	}
}

func FuzzMachineTime(f *testing.F) {
	f.Add("cpu  100 10 50 800 20 5 5 10 30 1")
	f.Fuzz(func(t *testing.T, line string) {
		if busy, total, ok := parseMachine(line); ok && busy > total {
			t.Errorf("%q: busy %v of %v", line, busy, total)
		}
	})
}
