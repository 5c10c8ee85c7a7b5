package host

// The users of a device.

import "github.com/dmsnapctl/dmsnapctl/verify/blockdev"

// Users reports the users of the device and of its partitions.
func (h *Linux) Users(dev blockdev.DevNo) ([]User, error) {
	users, err := h.usersOf(dev, "")
	if err != nil {
		return nil, err
	}
	parts, err := h.sys.Parts(dev)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		more, err := h.usersOf(p.Dev, "with its partition "+p.Name+" ")
		if err != nil {
			return nil, err
		}
		users = append(users, more...)
	}
	return users, nil
}

func (h *Linux) usersOf(dev blockdev.DevNo, prefix string) ([]User, error) {
	mounts, err := h.sys.Mounts(dev)
	if err != nil {
		return nil, err
	}
	var users []User
	for _, m := range mounts {
		what := "mounted at " + m
		if m == "[swap]" {
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
