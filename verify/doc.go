// Package verify is the judge: it reads a COW store in disk order and says
// what the store holds, what it lost and what is wrong with it.
//
// It reads only. The rules of judgement (what is a leak, a duplicate, out of
// place, in order) are here and nowhere else; other packages ask this one. It
// knows nothing of device mapper: what the kernel says of a live store reaches
// it as a function that its caller hands in.
//
// From the top down: verify, live, once, passes, account, leaks, bins, forensics, words,
// ledger, rules, report, finding, unread.
package verify
