// Package transfer moves bytes from devices to devices at the speed of the slower
// one: it reads scattered bytes with few reads, reads ahead of the writer, and
// writes in pieces.
//
// It knows offsets and nothing of what lies there, neither stores nor images.
package transfer

// From the top down: gather (reading scattered bytes), writer (writing), ahead
// (reading ahead), piece (cutting writes).
