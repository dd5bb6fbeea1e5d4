package peer

import (
	"encoding/binary"
	"fmt"
	"math"

	"sojourn/actors/realm"
	"sojourn/cts/command"
	"sojourn/cts/internal/octets"
)

// appendOperation writes op (1) and what the operation adds to a command, then
// the command.
func appendOperation(b []byte, o Operation) ([]byte, error) {
	b = append(b, o.op())
	switch o := o.(type) {
	case Create:
		if o.Quota.Limit > 0 {
			b = append(binary.AppendUvarint(b, uint64(o.Quota.Limit)), byte(o.Quota.Action))
		}
		return command.Append(b, command.PutSession{Session: o.Session, Replaces: o.Replaces})
	case Delete:
		return command.Append(b, command.DeleteSessions{Reason: o.Reason, IDs: o.IDs})
	case SetProperties:
		return command.Append(b, command.SetProperties{ID: o.ID, Properties: o.Changes})
	case Touch:
		return command.Append(b, command.Touch{Accesses: o.Accesses})
	case PutIdentity:
		return command.Append(octets.AppendBool(b, o.CreateOnly), command.PutIdentity{Identity: o.Identity})
	case PutIdentities:
		return appendIdentities(b, o)
	case UpdateIdentity:
		b = octets.AppendText(b, o.Realm)
		b = octets.AppendText(b, o.Name)
		return appendChange(b, o.Change)
	case DeleteIdentity:
		return command.Append(b, command.DeleteIdentity(o))
	case PutDocument:
		d := o.Document
		d.Rev = "0" // the leader gives another
		return command.Append(appendPrecondition(b, o.Precondition), command.PutDocument{Document: d})
	case DeleteDocument:
		c := command.DeleteDocument{Kind: o.Kind, Realm: o.Realm, ID: o.ID}
		return command.Append(appendPrecondition(b, o.Precondition), c)
	case PutToken:
		return command.Append(b, command.PutToken{Put: o.Put})
	case Deny:
		return command.Append(b, command.Deny{Reason: o.Reason, Denials: o.Denials})
	case DenyUser:
		return command.Append(b, command.DenyUser(o))
	case Remove:
		return octets.AppendText(b, o.Store), nil
	case Promote:
		return octets.AppendText(b, o.Store), nil
	default:
		panic(fmt.Sprintf("peer: operation of type %T", o))
	}
}

func (r *reader) operation() Operation {
	switch op := r.Byte(); op {
	case opCreate:
		c := as[command.PutSession](r)
		return Create{Session: c.Session, Replaces: c.Replaces}
	case opCreateWithin:
		quota := r.quota()
		c := as[command.PutSession](r)
		return Create{Session: c.Session, Replaces: c.Replaces, Quota: quota}
	case opDelete:
		c := as[command.DeleteSessions](r)
		return Delete{Reason: c.Reason, IDs: c.IDs}
	case opSetProperties:
		c := as[command.SetProperties](r)
		return SetProperties{ID: c.ID, Changes: c.Properties}
	case opTouch:
		return Touch{Accesses: as[command.Touch](r).Accesses}
	case opPutIdentity:
		return PutIdentity{CreateOnly: r.Bool(), Identity: as[command.PutIdentity](r).Identity}
	case opPutIdentities:
		return r.identities()
	case opUpdateIdentity:
		return UpdateIdentity{Realm: realm.Name(r.Text()), Name: r.Text(), Change: r.change()}
	case opDeleteIdentity:
		return DeleteIdentity(as[command.DeleteIdentity](r))
	case opPutDocument:
		return PutDocument{Precondition: r.precondition(), Document: as[command.PutDocument](r).Document}
	case opDeleteDocument:
		p := r.precondition()
		c := as[command.DeleteDocument](r)
		return DeleteDocument{Kind: c.Kind, Realm: c.Realm, ID: c.ID, Precondition: p}
	case opPutToken:
		return PutToken{Put: as[command.PutToken](r).Put}
	case opDeny:
		c := as[command.Deny](r)
		return Deny{Reason: c.Reason, Denials: c.Denials}
	case opDenyUser:
		return DenyUser(as[command.DenyUser](r))
	case opRemove:
		return Remove{Store: r.Text()}
	case opPromote:
		return Promote{Store: r.Text()}
	default:
		r.Fail("unknown operation %d", op)
		return nil
	}
}

func (r *reader) quota() realm.Quota {
	limit := r.Uvarint()
	if r.Err() == nil && (limit == 0 || limit > math.MaxInt32) {
		r.Fail("a quota of %d", limit)
	}
	return realm.Quota{Limit: int(limit), Action: realm.QuotaAction(r.Byte())} //nolint:gosec // checked
}

func appendPrecondition(b []byte, p realm.Precondition) []byte {
	return octets.AppendText(octets.AppendBool(b, p.IfNoneMatch), p.IfMatch)
}

func (r *reader) precondition() realm.Precondition {
	return realm.Precondition{IfNoneMatch: r.Bool(), IfMatch: r.Text()}
}

func appendIdentities(b []byte, o PutIdentities) ([]byte, error) {
	if len(o.Identities) > MaxIdentities {
		return b, fmt.Errorf("%d identities at once, at most %d", len(o.Identities), MaxIdentities)
	}
	b = binary.AppendUvarint(b, uint64(len(o.Identities)))
	for _, i := range o.Identities {
		text, err := command.Append(nil, command.PutIdentity{Identity: i})
		if err != nil {
			return b, err
		}
		b = octets.AppendText(b, text)
	}
	return b, nil
}

func (r *reader) identities() PutIdentities {
	var o PutIdentities
	for range r.Count(MaxIdentities, 3) {
		one := on(r.Bytes())
		o.Identities = append(o.Identities, as[command.PutIdentity](&one).Identity)
		if one.Err() != nil {
			r.Fail("%v", one.Err())
		}
	}
	return o
}
