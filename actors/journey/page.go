package journey

import (
	"errors"

	"sojourn/actors/callback"
	"sojourn/actors/node"
	"sojourn/actors/tree"
)

// partial is a page that waits for the effect of one of its children: what the
// children before it have said in this pass.
type partial struct {
	child   int
	asks    [][]callback.Callback
	outcome tree.Outcome
}

// page runs all children in order in one step (am-contract section 7.5). Each
// sees only the answers to its own callbacks. The page stays while a child
// asks for more than to show metadata; the last child decides its outcome.
func (r *run) page(v *vertex) (node.Action, error) {
	now := r.s.partial
	if now == nil {
		now = &partial{asks: make([][]callback.Callback, len(v.page.children))}
	} else {
		now = &partial{child: now.child, asks: append([][]callback.Callback(nil), now.asks...), outcome: now.outcome}
	}
	for ; now.child < len(v.page.children); now.child++ {
		child := v.page.children[now.child]
		action, err := r.process(child, r.answersOf(now.child), r.takeResult())
		if err != nil {
			return nil, err
		}
		switch action := action.(type) {
		case node.Goto:
			now.outcome = action.Outcome
		case node.Ask:
			now.asks[now.child] = action.Callbacks
			now.outcome = ""
		case node.Do:
			r.s.partial = now
			return action, nil
		case node.Suspend:
			return nil, &nodeError{child, errSuspendsPage}
		}
	}
	r.s.partial = nil
	if holds(now.asks) {
		return r.show(v, now.asks), nil
	}
	if now.outcome == "" {
		return nil, &nodeError{v, errors.New("the page's last node neither asks nor ends")}
	}
	r.s.Paged = nil
	last := v.page.children[len(v.page.children)-1]
	return node.Goto{Outcome: tree.PageOutcome(v.page.version, last.id, now.outcome)}, nil
}

// holds reports whether any child asks for something that is not metadata.
func holds(asks [][]callback.Callback) bool {
	for _, callbacks := range asks {
		for _, c := range callbacks {
			if c.Type != callback.Metadata {
				return true
			}
		}
	}
	return false
}

// answersOf returns the answers to what child sent, nil when it sent nothing
// yet.
func (r *run) answersOf(child int) []callback.Answer {
	if r.s.answers == nil || r.s.Paged == nil {
		return nil
	}
	var own []callback.Answer
	for i, owner := range r.s.Paged.Children {
		if owner == child && i < len(r.s.answers) {
			own = append(own, r.s.answers[i])
		}
	}
	return own
}

// show makes the page's question of what its children ask. A child that is
// content while another asks again is shown as it was before. Callbacks keep
// their number while the page is shown; numbers are not used twice.
func (r *run) show(v *vertex, asks [][]callback.Callback) node.Ask {
	before := r.shown(len(v.page.children))
	paged := &Paged{}
	if r.s.Paged != nil {
		paged.Next = r.s.Paged.Next
	}
	var all []callback.Callback
	for child, callbacks := range asks {
		if callbacks == nil {
			callbacks = before[child]
		}
		for i, c := range callbacks {
			c.Numbered = true
			if i < len(before[child]) && before[child][i].Type == c.Type {
				c.ID = before[child][i].ID
			} else {
				c.ID = paged.Next
				paged.Next++
			}
			all = append(all, c)
			paged.Children = append(paged.Children, child)
		}
	}
	r.s.Paged = paged
	locales := r.env.Request.Locales
	return node.Ask{
		Callbacks:   all,
		Header:      node.Localise(v.page.Header, locales, ""),
		Description: node.Localise(v.page.Description, locales, ""),
		Stage:       v.page.Stage,
	}
}

// shown is what the page showed last, by child.
func (r *run) shown(children int) [][]callback.Callback {
	byChild := make([][]callback.Callback, children)
	if r.s.Paged == nil {
		return byChild
	}
	for i, child := range r.s.Paged.Children {
		byChild[child] = append(byChild[child], r.s.Asked.Callbacks[i])
	}
	return byChild
}
