package devices

// What the kernel says of devices, and what it is told.

import (
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Info is what the kernel says about a device in every answer.
type Info struct {
	Name      Name
	UUID      UUID
	Dev       blockdev.DevNo
	OpenCount int32
	Targets   uint32
	Flags     Flags
	EventNr   uint32
	Kernel    gate.Version // of the ioctl interface
}

// Suspended reports whether I/O to the device is held.
func (i Info) Suspended() bool { return i.Flags&FlagSuspend != 0 }

// HasActive reports whether the device has a live table.
func (i Info) HasActive() bool { return i.Flags&FlagActive != 0 }

// HasInactive reports whether a loaded table waits for the next resume.
func (i Info) HasInactive() bool { return i.Flags&FlagInactive != 0 }

// ReadOnly reports whether the device refuses writes.
func (i Info) ReadOnly() bool { return i.Flags&FlagReadOnly != 0 }

// Listed is an entry in the list of devices. EventNr is the event counter, if
// the kernel lists it (ioctl version 4.37 or later).
type Listed struct {
	Name       Name
	Dev        blockdev.DevNo
	EventNr    uint32
	HasEventNr bool
}

// TargetVersion is an entry in the list of the kernel's targets.
type TargetVersion struct {
	Name    string
	Version gate.Version
}

// Flags are the flags of a request or an answer: DM_*_FLAG of
// include/uapi/linux/dm-ioctl.h.
type Flags uint32

const (
	FlagReadOnly        Flags = 1 << 0
	FlagSuspend         Flags = 1 << 1
	FlagStatusTable     Flags = 1 << 4
	FlagActive          Flags = 1 << 5 // a live table is present
	FlagInactive        Flags = 1 << 6 // a loaded table is waiting
	FlagBufferFull      Flags = 1 << 8
	FlagSkipLockFS      Flags = 1 << 10
	FlagNoFlush         Flags = 1 << 11
	FlagQueryInactive   Flags = 1 << 12
	FlagUEventGenerated Flags = 1 << 13
	FlagUUID            Flags = 1 << 14
	FlagSecureData      Flags = 1 << 15 // the kernel wipes its buffers
	FlagDeferredRemove  Flags = 1 << 17
	FlagInternalSuspend Flags = 1 << 18
)

// Udev tells the udev rules what to do about a device's event (LVM2:
// libdevmapper.h, DM_UDEV_*). They travel in the upper half of the event
// number's field.
type Udev uint16

const (
	UdevNoNode           Udev = 1 << 0 // DM_UDEV_DISABLE_DM_RULES_FLAG
	UdevDisableSubsystem Udev = 1 << 1
	UdevDisableDisk      Udev = 1 << 2
	UdevDisableOther     Udev = 1 << 3
	UdevLowPriority      Udev = 1 << 4
	// UdevPrimary marks an event of ours, unlike one from udevadm trigger.
	// Without it the rules make no node.
	UdevPrimary Udev = 1 << 6

	// UdevHidden is for layers that nobody should open.
	UdevHidden = UdevPrimary | UdevDisableSubsystem | UdevDisableDisk | UdevDisableOther
)
