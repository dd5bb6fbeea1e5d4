package fsm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/dgraph-io/ristretto/v2/z"
	"golang.org/x/sync/errgroup"

	"sojourn/cts/internal/damage"
)

// checkFiles reads the list of tables and all tables it names, before Badger
// does. Badger reads them, at start and whenever it compacts, in goroutines of
// its own, where damage ends the process; it leaves out a table whose index has
// a wrong checksum; and without the list it deletes all tables.
func checkFiles(dir string, key []byte) (err error) {
	path := filepath.Join(dir, badger.ManifestFilename)
	defer damage.Catch(path, &err)
	if err := removeEmpty(dir); err != nil {
		return err
	}
	file, err := os.Open(path) //nolint:gosec // a file of our own folder
	if errors.Is(err, os.ErrNotExist) {
		return damage.At(path, checkEmpty(dir))
	}
	if err != nil {
		return damage.At(path, err)
	}
	manifest, _, err := badger.ReplayManifestFile(file, 0, badger.DefaultOptions(dir).WithLogger(nil))
	if err = errors.Join(err, file.Close()); err != nil {
		return damage.At(path, fmt.Errorf("read: %w", err))
	}
	c := checker{}
	if key != nil && len(manifest.Tables) > 0 {
		if err := c.decrypt(dir, key); err != nil {
			return damage.At(filepath.Join(dir, badger.KeyRegistryFileName), err)
		}
	}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for id, t := range manifest.Tables {
		group.Go(func() error { return c.table(table.NewFilename(id, dir), t) })
	}
	return errors.Join(group.Wait(), c.close())
}

// checker reads tables. An encrypted one needs its key and, to be read at all,
// a cache for its index.
type checker struct {
	keys  *badger.KeyRegistry
	cache *ristretto.Cache[uint64, *fb.TableIndex]
}

func (c *checker) decrypt(dir string, key []byte) (err error) {
	c.keys, err = badger.OpenKeyRegistry(badger.KeyRegistryOptions{Dir: dir, ReadOnly: true, EncryptionKey: key})
	if err != nil {
		return err
	}
	c.cache, err = ristretto.NewCache(&ristretto.Config[uint64, *fb.TableIndex]{
		NumCounters: 1000, MaxCost: 32 << 20, BufferItems: 64,
	})
	return err
}

func (c *checker) close() error {
	if c.keys == nil {
		return nil
	}
	c.cache.Close()
	return c.keys.Close()
}

// removeEmpty removes tables in memory that a crash left without a byte. There is
// nothing in them, and Badger does not open with one (its issue 2207).
func removeEmpty(dir string) error {
	found, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil {
		return fmt.Errorf("list data folder: %w", err)
	}
	for _, path := range found {
		info, err := os.Stat(path)
		if err == nil && info.Size() == 0 {
			err = os.Remove(path)
		}
		if err != nil {
			return damage.At(path, err)
		}
	}
	return nil
}

// tableSize is how large tables in memory must be for those that are in the
// folder. Badger reads each into one of its own, and ends the process if there is
// no room in it. Their files are made twice as large as the tables; Badger cuts
// them to what is in them when it opens, so a shorter one may be of any release;
// half a table leaves enough room for what its index takes beside the file.
func tableSize(dir string) (int64, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil {
		return 0, fmt.Errorf("list data folder: %w", err)
	}
	for _, path := range found {
		info, err := os.Stat(path)
		if err != nil {
			return 0, err
		}
		if size := info.Size(); size != 2*memTable && size > memTable/2 {
			return earlierTable, nil
		}
	}
	return memTable, nil
}

// checkEmpty refuses a folder without a list that has tables.
func checkEmpty(dir string) error {
	for _, pattern := range []string{"*.sst", "*.mem"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return fmt.Errorf("list data folder: %w", err)
		}
		if len(found) > 0 {
			return fmt.Errorf("is missing, but there is %s", filepath.Base(found[0]))
		}
	}
	return nil
}

// table reads a table and compares all its checksums.
func (c *checker) table(path string, t badger.TableManifest) (err error) {
	defer damage.Catch(path, &err)
	var key *pb.DataKey
	if c.keys != nil {
		if key, err = c.keys.DataKey(t.KeyID); err != nil {
			return damage.At(path, err)
		}
	}
	if info, err := os.Stat(path); err != nil {
		return damage.At(path, err)
	} else if info.Size() == 0 {
		return damage.At(path, errors.New("is empty"))
	}
	file, err := z.OpenMmapFile(path, os.O_RDONLY, 0)
	if err != nil {
		return damage.At(path, err)
	}
	opened, err := table.OpenTable(file, table.Options{
		ReadOnly: true, ChkMode: options.OnTableRead, Compression: t.Compression, BlockSize: 4 << 10,
		DataKey: key, IndexCache: c.cache,
	})
	if err != nil {
		return damage.At(path, err)
	}
	return damage.At(path, opened.Close(-1))
}
