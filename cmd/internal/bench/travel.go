package bench

import (
	"context"
	"errors"
)

// maxPages bounds a journey that bench learns.
const maxPages = 50

// asked is a page of a journey with its callbacks answered.
type asked struct {
	page   *page
	filled []byte
}

// Journey completes journeys of several pages: it begins one, answers all of its
// pages and takes the session. Each page is checked to be the one that came when
// the journey was learned.
func Journey(name string, s Server, u User) Subject {
	return s.subject(name, func(ctx context.Context, r *ring) (func(context.Context) error, error) {
		pages, _, err := travel(ctx, r, s, u)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) error { return again(ctx, r, pages) }, nil
	})
}

// travel goes through a journey once, learns its pages, and returns the session's
// token.
func travel(ctx context.Context, r *ring, s Server, u User) (pages []asked, token string, err error) {
	p, err := learn(ctx, r, s)
	if err != nil {
		return nil, "", err
	}
	for len(pages) < maxPages {
		filled, err := p.walk(u)
		if err != nil {
			return nil, "", err
		}
		pages = append(pages, asked{p, filled})
		status, body, err := r.post(ctx, request{path: p.path, body: answerTo(p.authID, filled)})
		if err != nil {
			return nil, "", err
		}
		if token, err := tokenOf(s.Realm, status, body); err == nil {
			return pages, token, nil
		}
		if p, err = read(p.path, status, body); err != nil {
			return nil, "", err
		}
		p.realm = s.Realm
	}
	return nil, "", errors.New("the journey does not end")
}

// again goes through a journey whose pages are known.
func again(ctx context.Context, r *ring, pages []asked) error {
	authID, err := pages[0].page.start(ctx, r)
	if err != nil {
		return err
	}
	for i, at := range pages {
		status, body, err := r.post(ctx, request{path: at.page.path, body: answerTo(authID, at.filled)})
		if err != nil {
			return err
		}
		if i == len(pages)-1 {
			_, err := tokenOf(at.page.realm, status, body)
			return err
		}
		var ok bool
		if authID, ok = pages[i+1].page.authIDOf(status, body); !ok {
			return wrong("journey", status, body)
		}
	}
	return nil
}
