package host

// The users of a device.

import "github.com/dmsnapctl/dmsnapctl/verify/blockdev"

// Users reports the users of the device and of its partitions.
func (h *Linux) Users(dev blockdev.DevNo) ([]User, error) {
	all, err := h.UsersOf([]blockdev.DevNo{dev})
	return all[dev], err
}

// UsersOf implements Host: it reads the mounts once.
func (h *Linux) UsersOf(devs []blockdev.DevNo) (map[blockdev.DevNo][]User, error) {
	mounts, err := h.sys.Mounts()
	if err != nil {
		return nil, err
	}
	all := map[blockdev.DevNo][]User{}
	for _, dev := range devs {
		if all[dev], err = h.usersAmong(mounts, dev); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// mounts are the places where devices are mounted.
type mounts = map[blockdev.DevNo][]string

func (h *Linux) usersAmong(m mounts, dev blockdev.DevNo) ([]User, error) {
	users, err := h.usersOf(m, dev, "")
	if err != nil {
		return nil, err
	}
	parts, err := h.sys.Parts(dev)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		more, err := h.usersOf(m, p.Dev, "with its partition "+p.Name+" ")
		if err != nil {
			return nil, err
		}
		users = append(users, more...)
	}
	return users, nil
}

func (h *Linux) usersOf(m mounts, dev blockdev.DevNo, prefix string) ([]User, error) {
	var users []User
	for _, place := range m[dev] {
		what := "mounted at " + place
		if place == "[swap]" {
			what = "in use as swap"
		}
		users = append(users, User{What: prefix + what})
	}
	holders, err := h.sys.Holders(dev)
	if err != nil {
		return nil, err
	}
	for _, holder := range holders {
		users = append(users, User{What: prefix + "held by " + h.sys.NodePath(holder.Dev), Holder: holder.Dev})
	}
	return users, nil
}
