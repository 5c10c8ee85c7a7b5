package image

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

// readQcow2 reads an image by the rules of the format. It returns the bytes of
// each cluster, or nil if the cluster is not in the image, and checks that
// every host cluster is counted once.
func readQcow2(t *rapid.T, b []byte) (clusters [][]byte, cluster int, backing string) {
	be := binary.BigEndian
	if be.Uint32(b) != qcow2Magic || be.Uint32(b[4:]) != 3 {
		t.Fatalf("no qcow2: %x", b[:8])
	}
	nameAt, nameLen := be.Uint64(b[8:]), be.Uint32(b[16:])
	cluster = 1 << be.Uint32(b[20:])
	size := int(be.Uint64(b[24:]))
	l1n, l1, counts, countTables := int(be.Uint32(b[36:])), be.Uint64(b[40:]), be.Uint64(b[48:]), int(be.Uint32(b[56:]))
	backing = string(b[nameAt:][:nameLen])
	if len(b)%cluster != 0 {
		t.Fatalf("%d bytes are no whole clusters", len(b))
	}
	used := make([]int, len(b)/cluster)
	use := func(at uint64, n int) {
		for i := range n {
			used[int(at)/cluster+i]++
		}
	}
	use(0, (int(nameAt)+int(nameLen)+cluster-1)/cluster)
	if nameAt == 0 {
		used[0] = 1
	}
	use(l1, (l1n*8+cluster-1)/cluster)
	use(counts, countTables)
	for i := range l1n {
		table := be.Uint64(b[l1+uint64(i)*8:]) &^ copiedFlag
		if table != 0 {
			use(table, 1)
		}
		for k := range cluster / 8 {
			var c []byte
			if table != 0 {
				switch entry := be.Uint64(b[table+uint64(k)*8:]); {
				case entry == zeroFlag:
					c = make([]byte, cluster)
				case entry != 0:
					place := entry &^ copiedFlag
					use(place, 1)
					c = b[place:][:cluster]
				}
			}
			if len(clusters)*cluster < size {
				clusters = append(clusters, c)
			} else if c != nil {
				t.Fatalf("a cluster behind the end")
			}
		}
	}
	for i := range countTables * cluster / 8 {
		if block := be.Uint64(b[counts+uint64(i)*8:]); block != 0 {
			use(block, 1)
		}
	}
	for i, n := range used {
		block := be.Uint64(b[counts+uint64(i/(cluster/2))*8:])
		count := int(be.Uint16(b[block+uint64(i%(cluster/2))*2:]))
		if n != 1 || count != 1 {
			t.Fatalf("host cluster %d of %d is used %d times and counted %d times", i, len(used), n, count)
		}
	}
	return clusters, cluster, backing
}

func TestQcow2(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFixture(t, rapid.Uint64().Draw(t, "seed"), anyLayout(t))
		im := f.open(t, Options{})
		var out file
		if err := im.WriteQcow2(context.Background(), &out, nil); err != nil {
			t.Fatal(err)
		}
		clusters, cluster, backing := readQcow2(t, out.b)
		if backing != "" {
			t.Fatalf("a backing file %q", backing)
		}
		compareClusters(t, clusters, cluster, f.image, make([]byte, len(f.image)))
	})
}

func TestOverlayHoldsOnlyChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFixture(t, rapid.Uint64().Draw(t, "seed"), anyLayout(t))
		im := f.open(t, Options{})
		name := rapid.StringOfN(rapid.RuneFrom([]rune("abc/")), 1, 1023, 1023).Draw(t, "backing")
		want, base := f.image, f.origin
		var content *bytes.Reader
		var out file
		var err error
		if rapid.Bool().Draw(t, "the origin's side") {
			want, base, content = f.origin, f.image, bytes.NewReader(f.origin)
			err = im.WriteOverlay(context.Background(), &out, Backing{name, "raw"}, content, nil)
		} else {
			err = im.WriteOverlay(context.Background(), &out, Backing{name, "qcow2"}, nil, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		clusters, cluster, backing := readQcow2(t, out.b)
		if room := len(backing) + 128; backing != name || cluster != int(im.ChunkBytes()) && (cluster < room || cluster/2 >= room) {
			t.Fatalf("backing file %q, want %q; clusters of %d", backing, name, cluster)
		}
		compareClusters(t, clusters, cluster, want, base)
		if cluster != int(im.ChunkBytes()) {
			return // this case only tests a long name
		}
		present := 0
		for _, c := range clusters {
			if c != nil {
				present++
			}
		}
		if present != len(f.spec.Exceptions) {
			t.Fatalf("%d clusters for %d changed chunks", present, len(f.spec.Exceptions))
		}
	})
}

// compareClusters compares clusters, over base, with an image.
func compareClusters(t *rapid.T, clusters [][]byte, cluster int, want, base []byte) {
	if len(clusters)*cluster < len(want) {
		t.Fatalf("%d clusters of %d bytes for %d bytes", len(clusters), cluster, len(want))
	}
	for i, c := range clusters {
		from, to := i*cluster, min((i+1)*cluster, len(want))
		if c == nil {
			c = base[from:to]
		}
		if !bytes.Equal(c[:to-from], want[from:to]) {
			t.Fatalf("cluster %d is another one", i)
		}
	}
}

func TestClusterSizes(t *testing.T) {
	for _, tt := range []struct{ wanted, size, want int64 }{
		{4096, 1 << 30, 4096}, {512, 1 << 30, 512}, {1 << 30, 1 << 40, 2 << 20},
		{512, 1 << 42, 4096}, // 4 TiB in tables of 4 million entries
	} {
		if got := clusterFor(tt.wanted, tt.size); got != tt.want {
			t.Errorf("chunks of %d bytes, image of %d: clusters of %d, want %d", tt.wanted, tt.size, got, tt.want)
		}
	}
	if _, err := newQcow2(&file{}, 1<<62, 2<<20, nil); err == nil {
		t.Error("an image of 2^62 bytes goes into qcow2")
	}
	im := newFixture(t, 1, layout{chunk: 8, origin: 1 << 20}).open(t, Options{})
	for _, name := range []string{"", string(make([]byte, 1024))} {
		if err := im.WriteOverlay(context.Background(), &file{}, Backing{name, "raw"}, nil, nil); err == nil {
			t.Errorf("a backing file with a name of %d bytes", len(name))
		}
	}
}
