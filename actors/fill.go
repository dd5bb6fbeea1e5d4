package actors

import (
	"context"

	"sojourn/actors/callback"
	"sojourn/actors/identity"
	"sojourn/actors/journey"
)

// fill answers steps from the request's own credentials for as long as it can
// answer a whole one (zero-page login). Each credential is used once.
func (j *Journeys) fill(ctx context.Context, r journey.StartRequest, reply journey.Reply) (journey.Reply, error) {
	for reply.Ask != nil {
		answers, ok := fillable(reply.Ask.Callbacks, &r.Username, &r.Password)
		if !ok {
			return reply, nil
		}
		next, err := j.resume(ctx, journey.ResumeRequest{
			Ref: reply.Ref, Answers: answers, Request: r.Request, Session: r.Session,
		}, true)
		if err != nil {
			return journey.Reply{}, err
		}
		reply = next
	}
	return reply, nil
}

func fillable(asked []callback.Callback, username **string, password **identity.Secret) ([]callback.Answer, bool) {
	name, secret := *username, *password
	if name == nil && secret == nil {
		return nil, false
	}
	answers := make([]callback.Answer, 0, len(asked))
	for _, c := range asked {
		switch {
		case c.Type == callback.Name && name != nil:
			answers = append(answers, callback.Answer{Type: c.Type, Values: []any{*name}})
			name = nil
		case c.Type == callback.Password && secret != nil:
			answers = append(answers, callback.Answer{Type: c.Type, Values: []any{string(*secret)}})
			secret = nil
		default:
			return nil, false
		}
	}
	*username, *password = name, secret
	return answers, len(answers) > 0
}
