package bridge

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// clockTick is the unit of /proc/stat: USER_HZ, the same on all systems.
const clockTick = 10 * time.Millisecond

// machineTime is how long all processors of the machine were busy and how long they were
// there, since it started. What a host took from a virtual machine counts as busy.
func machineTime() (busy, total time.Duration, ok bool) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, false
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return parseMachine(string(line))
}

// parseMachine reads the first line of /proc/stat: cpu user nice system idle iowait irq
// softirq steal guest guest_nice. Guests are part of user.
func parseMachine(line string) (busy, total time.Duration, ok bool) {
	const idle, iowait, last = 3, 4, 8
	fields := bytes.Fields([]byte(line))
	if len(fields) < idle+2 || string(fields[0]) != "cpu" {
		return 0, 0, false
	}
	for i, f := range fields[1:min(len(fields), last+1)] {
		n, err := strconv.ParseUint(string(f), 10, 48)
		if err != nil {
			return 0, 0, false
		}
		d := time.Duration(n) * clockTick
		total += d
		if i != idle && i != iowait {
			busy += d
		}
	}
	return busy, total, true
}
