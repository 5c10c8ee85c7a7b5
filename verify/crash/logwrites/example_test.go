package logwrites_test

import (
	"bytes"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

func Example() {
	var buf bytes.Buffer
	w := logwrites.NewWriter(&buf, 512, 3)
	_ = w.Write(logwrites.Entry{Sector: 8, Sectors: 1}, bytes.Repeat([]byte{'a'}, 512))
	_ = w.Write(logwrites.Entry{Flags: logwrites.Flush}, nil)
	_ = w.Write(logwrites.Entry{Flags: logwrites.Mark, Text: logwrites.EndMark}, nil)

	log, err := logwrites.Open(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		fmt.Println(err)
		return
	}
	for i, e := range log.Entries() {
		fmt.Println(i, e)
	}
	data := make([]byte, 512)
	if err := log.ReadData(log.Entry(0), 0, data); err != nil {
		fmt.Println(err)
	}
	fmt.Println(string(data[:3]), log.Complete())
	// Output:
	// 0 WRITE 8+1
	// 1 FLUSH
	// 2 MARK "dm-log-writes-end"
	// aaa true
}
