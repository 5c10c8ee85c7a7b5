package verify_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// A store that lost two chunks of 4 KiB when a leaky kernel crashed: chunks 2 and 5
// had been committed, 3 and 4 had not.
func ExampleVerify() {
	image := cowtest.Store{Chunk: 8, Exceptions: []cow.Exception{{Old: 7, New: 2}, {Old: 9, New: 5}}, DeviceChunks: 40}.Bytes()
	report, err := verify.Verify(context.Background(), bytes.NewReader(image), int64(len(image)), verify.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Verdict, report.Leaks.Bytes, "bytes in", report.Leaks.Ranges)
	for _, f := range report.Findings {
		fmt.Println(f.Severity, f.Code)
	}
	// Output:
	// leaked 8192 bytes in [chunks 3-4]
	// warning leaked-chunks
}
