// Package devices knows the mapped devices: their names, UUIDs and roles, the
// tables of snapshots and origins, and the interface to device mapper through
// which it reads and changes all of these.
//
// It knows nothing of plans and file systems, and knows other block devices
// only by number. For devices that have nothing to do with snapshots it reads
// names, sizes and target types, never tables: a crypt device's table holds its
// key.
package devices

// From the top down: view, names, kernel, errors, unread, uuid, info, mangle.
