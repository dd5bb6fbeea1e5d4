package sessions

import (
	"context"
	"slices"

	"sojourn/actors/realm"
	"sojourn/cts/session"
)

// MaxEnd is how many sessions one call may end.
const MaxEnd = 500

// End ends sessions and tells which of them were there. It returns when no
// member calls any of them valid any more.
func (s *Service) End(ctx context.Context, reason session.Reason, all ...session.Session) ([]bool, error) {
	ids := make([]session.ID, len(all))
	for i := range all {
		ids[i] = all[i].ID
	}
	return s.config.Store.Delete(ctx, reason, ids...)
}

// EndByHandle ends the sessions that handles name and tells of each handle
// whether it names no valid session any more. That is so of a text that is no
// handle as well. After an error some may have ended.
func (s *Service) EndByHandle(ctx context.Context, reason session.Reason, handles ...session.Handle) ([]bool, error) {
	gone := make([]bool, len(handles))
	var ids []session.ID
	for i, handle := range handles {
		id, err := handle.ID()
		gone[i] = err != nil
		if err == nil {
			ids = append(ids, id)
		}
	}
	if len(ids) > 0 {
		if _, err := s.config.Store.Delete(ctx, reason, ids...); err != nil {
			return gone, err
		}
	}
	for i := range gone {
		gone[i] = true
	}
	return gone, nil
}

// EndAllOf ends every session of a user, a batch at a time. Names compare as
// identity.Key does.
func (s *Service) EndAllOf(ctx context.Context, reason session.Reason, r realm.Name, username string) error {
	for {
		found, err := s.config.Store.SessionsOf(ctx, r, username, MaxEnd)
		if err != nil || len(found) == 0 {
			return err
		}
		ended, err := s.End(ctx, reason, found...)
		if err != nil {
			return err
		}
		// A list that trails behind what was deleted must not keep us here.
		if len(found) < MaxEnd || !slices.Contains(ended, true) {
			return nil
		}
	}
}
