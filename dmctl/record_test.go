package dmctl

import (
	"context"
	"strings"
	"testing"
)

// TestRecordPlan: what is done, in order.
func TestRecordPlan(t *testing.T) {
	f := newFake()
	c := f.controller()
	p, rec, err := c.PlanRecord(context.Background(), RecordRequest{Device: "/dev/a", Log: "/dev/b", Mark: "begin"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"zero /dev/b (1048576 bytes) and flush it",
		"create device dmsnap-record-8-0",
		"load its table: log-writes of /dev/a, with its log on /dev/b",
		"resume dmsnap-record-8-0",
		"see that /dev/mapper/dmsnap-record-8-0 is there",
		`flush dmsnap-record-8-0 and mark its log "begin"`,
	}
	if got := strings.Join(p.Steps(), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("the plan is\n%s", got)
	}
	if rec.Path != "/dev/mapper/dmsnap-record-8-0" {
		t.Errorf("the path is %s", rec.Path)
	}
}

// TestRecordFailsWhole: whichever call fails, no device is left; and where the
// process dies instead, recover leaves none.
func TestRecordFailsWhole(t *testing.T) {
	request := RecordRequest{Device: "/dev/a", Log: "/dev/b"}
	start := func(f *fake) (err error, died bool) {
		defer func() {
			if p := recover(); p != nil {
				if _, died = p.(killed); !died {
					panic(p)
				}
			}
		}()
		c := f.controller()
		p, _, err := c.PlanRecord(context.Background(), request)
		if err != nil {
			t.Fatal(err)
		}
		return c.Run(context.Background(), p), false
	}
	whole := newFake()
	if err, _ := start(whole); err != nil || len(whole.devs) != 1 {
		t.Fatalf("%d devices, %v", len(whole.devs), err)
	}
	for _, how := range []failure{failClean, failDead, failAfter} {
		for call := 1; call <= whole.calls; call++ {
			f := newFake()
			f.failures[call] = how
			err, died := start(f)
			if f.failed == 0 || err == nil && !died {
				t.Errorf("call %d %s: %v", call, how, err)
			}
			if died {
				f.failures = map[int]failure{}
				if err := f.controller().Recover(context.Background()); err != nil {
					t.Errorf("call %d %s: recover: %v", call, how, err)
				}
			}
			if len(f.devs) > 0 || len(f.nodes) > 0 {
				t.Errorf("call %d %s: left behind:\n%v", call, how, f)
			}
		}
	}
}
