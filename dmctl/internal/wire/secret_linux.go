package wire

// Tables, which may hold a key, as a crypt device's does. The kernel wipes its
// own buffers, and we wipe ours, as soon as they are no longer needed.

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

// Table returns the device's live table, or the inactive one. The parameters of
// targets that shown does not name are wiped and omitted.
func (c *Control) Table(name Name, inactive bool, shown func(target string) bool) (Info, []Target, error) {
	s, err := c.readSecret(name, inactive)
	if err != nil {
		return Info{}, nil, err
	}
	defer s.wipe()
	if err := blankParams(s.payload, s.info.Targets, shown); err != nil {
		return Info{}, nil, err
	}
	targets, err := decodeTargets(s.payload, s.info.Targets)
	return s.info, targets, err
}

// CopyTable loads the live table of one device into the inactive slot of
// another, without interpreting it.
func (c *Control) CopyTable(from, to Name) error {
	s, err := c.readSecret(from, false)
	if err != nil {
		return err
	}
	defer s.wipe()
	if err := toInput(s.payload, s.info.Targets); err != nil {
		return err
	}
	r := request{name: to, flags: devices.FlagSecureData, targets: s.info.Targets, payload: s.payload}
	buf := r.encode()
	defer clear(buf)
	return c.ioctl(unix.DM_TABLE_LOAD, buf)
}

// SameTable reports whether one device's inactive table equals another's live
// table.
func (c *Control) SameTable(waiting, live Name) (bool, error) {
	a, err := c.readSecret(waiting, true)
	if err != nil {
		return false, err
	}
	defer a.wipe()
	b, err := c.readSecret(live, false)
	if err != nil {
		return false, err
	}
	defer b.wipe()
	return a.info.Targets == b.info.Targets && sameTargets(a.payload, b.payload, a.info.Targets), nil
}

// secret is an answer whose buffer must be wiped.
type secret struct {
	info    Info
	buf     []byte
	payload []byte // of buf
}

func (s *secret) wipe() { clear(s.buf) }

// readSecret is call for a table: it wipes each buffer that was too small.
func (c *Control) readSecret(name Name, inactive bool) (*secret, error) {
	r := secretRequest(name, inactive)
	for {
		buf := r.encode()
		err := c.ioctl(unix.DM_TABLE_STATUS, buf)
		if err != nil {
			clear(buf)
			return nil, err
		}
		info, payload, err := decode(buf)
		if err == nil && info.Flags&devices.FlagBufferFull == 0 {
			return &secret{info, buf, payload}, nil
		}
		clear(buf)
		if err != nil {
			return nil, err
		}
		if r.answer >= maxAnswer {
			return nil, fmt.Errorf("device mapper's answer is longer than %d bytes", maxAnswer)
		}
		r.answer = max(firstAnswer, r.answer*4)
	}
}

func secretRequest(name Name, inactive bool) request {
	return request{name: name, flags: devices.FlagStatusTable | devices.FlagSecureData | devices.FlagNoFlush | slot(inactive), answer: tableAnswer}
}

// sameTargets compares two answers with the same number of targets.
func sameTargets(a, b []byte, count uint32) bool {
	same := true
	var other [][]byte
	if eachTarget(b, count, func(spec []byte) { other = append(other, spec) }) != nil {
		return false
	}
	n := 0
	err := eachTarget(a, count, func(spec []byte) {
		same = same && bytes.Equal(spec[:specStatus], other[n][:specStatus]) &&
			bytes.Equal(spec[specType:specSize], other[n][specType:specSize]) &&
			bytes.Equal(text(spec[specSize:]), text(other[n][specSize:]))
		n++
	})
	return err == nil && same
}

// text returns what comes before the first zero byte.
func text(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}
