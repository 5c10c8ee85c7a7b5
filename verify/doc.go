// Package verify is the judge: it reads a COW store once, in disk order, and
// says what the store holds, what it lost and what is wrong with it.
//
// It reads only. The rules of judgement (what is a leak, a duplicate, out of
// place, in order) stand here and nowhere else; packages mend and crash ask
// this package. It knows nothing of device mapper: a live store's status line
// reaches it as a function that its caller hands in.
package verify
