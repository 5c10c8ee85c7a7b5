// Package devices knows which mapped devices there are: their names, UUIDs and
// roles, the tables of those that are snapshots or origins, and the seam to
// device mapper through which all of it is asked and changed.
//
// It knows no plan, no file system and no block device but by its number. Of
// devices that have nothing to do with snapshots it learns names, sizes and
// target types, never their tables: a crypt device's table holds its key.
//
// From the top down: view, open, names, kernel, controlnode, errors, unread,
// uuid.
package devices
