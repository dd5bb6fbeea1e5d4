package actors

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sojourn/actors/journey"
	"sojourn/actors/node"
	"sojourn/actors/realm"
)

// pausingDocuments makes a reader of trees wait when it is told to.
type pausingDocuments struct {
	*memoryDocuments
	pause chan struct{} // taken by a reader, who then waits for going
	going chan struct{}
}

func (d *pausingDocuments) Documents(ctx context.Context, kind realm.DocumentKind, r realm.Name) ([]realm.Document, error) {
	if kind == realm.KindTree {
		select {
		case d.pause <- struct{}{}:
			<-d.going
		default:
		}
	}
	return d.memoryDocuments.Documents(ctx, kind, r)
}

// Who asks after a change is not given what was before it, while another one is
// still reading.
func TestNoOldEditionDuringARead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		docs := &pausingDocuments{&memoryDocuments{}, make(chan struct{}), make(chan struct{})}
		catalog := NewCatalog(docs, node.Builtin(), realm.DefaultDeployment(), slog.New(slog.DiscardHandler), time.Now)
		if _, err := catalog.plan(t.Context(), realm.Root, "Say"); !errors.Is(err, journey.ErrNoTree) {
			t.Fatal(err)
		}
		docs.publishMessage("Say", "new")
		catalog.Invalidate(realm.KindTree, realm.Root)
		var readers sync.WaitGroup
		read := func() {
			if _, err := catalog.plan(t.Context(), realm.Root, "Say"); err != nil {
				t.Error(err)
			}
		}
		paused := make(chan struct{})
		go func() { <-docs.pause; close(paused) }()
		synctest.Wait()
		readers.Go(read)
		<-paused
		readers.Go(read)
		synctest.Wait()
		close(docs.going)
		readers.Wait()
	})
}
