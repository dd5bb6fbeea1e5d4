package node

import (
	"strconv"
	"strings"

	"sojourn/actors/callback"
	"sojourn/actors/tree"
)

// Outcomes of a Polling Wait.
const (
	waitDone   tree.Outcome = "DONE"
	waitExited tree.Outcome = "EXITED"
	waitSpam   tree.Outcome = "SPAM"
)

// notPressed is the index that a client leaves when nobody pressed the exit
// button.
const notPressed = 100

// pollingWait makes the client wait and submit again. Submitting too early
// repeats the wait; more often than tolerated, it counts as spam.
type pollingWait struct {
	seconds            int
	spam, exitable     bool
	tolerance          int
	waitText, exitText map[string]string
}

func pollingWaitType() Type {
	return Type{
		Name:  "PollingWaitNode",
		Title: "Polling Wait Node",
		Properties: []Property{
			{Name: "secondsToWait", Title: "Seconds To Wait", Kind: Whole, Default: 8},
			{Name: "spamDetectionEnabled", Title: "Enable Spam Detection", Kind: Flag},
			{Name: "spamDetectionTolerance", Title: "Spam Tolerance", Kind: Whole, Default: 3},
			{Name: "waitingMessage", Title: "Waiting Message", Kind: Localised},
			{Name: "exitable", Title: "Exitable", Kind: Flag},
			{Name: "exitMessage", Title: "Exit Message", Kind: Localised},
		},
		Inputs: func(c Config) []string {
			return []string{string(c.ID) + waitEnd, string(c.ID) + waitEarly}
		},
		Outcomes: func(c Config) []tree.Outcome {
			outcomes := []tree.Outcome{waitDone}
			if c.Flag("exitable") {
				outcomes = append(outcomes, waitExited)
			}
			if c.Flag("spamDetectionEnabled") {
				outcomes = append(outcomes, waitSpam)
			}
			return outcomes
		},
		New: func(c Config) (Node, error) {
			return pollingWait{
				seconds:   c.Whole("secondsToWait"),
				spam:      c.Flag("spamDetectionEnabled"),
				exitable:  c.Flag("exitable"),
				tolerance: c.Whole("spamDetectionTolerance"),
				waitText:  c.Dict("waitingMessage"),
				exitText:  c.Dict("exitMessage"),
			}, nil
		},
	}
}

// Suffixes to the node's id: when the wait is over, in milliseconds since
// 1970, and how often the client came too early.
const (
	waitEnd   = ".end_time"
	waitEarly = ".spam_count"
)

func (n pollingWait) Process(c *Context) (Action, error) {
	end, early := string(c.ID)+waitEnd, string(c.ID)+waitEarly
	if n.exitable && len(c.Answers) > 0 {
		pressed, err := c.answer(1).Int(0)
		if err != nil {
			return nil, err
		}
		if pressed == 0 {
			return n.leave(c, waitExited), nil
		}
	}
	now := float64(c.Now.UnixMilli())
	switch waiting := c.State.Has(end); {
	case !waiting:
		c.State.PutShared(end, now+1000*float64(n.seconds))
		c.State.PutShared(early, 0)
	case n.spam && int(c.State.Number(early)) > n.tolerance:
		return n.leave(c, waitSpam), nil
	case now > c.State.Number(end):
		return n.leave(c, waitDone), nil
	default:
		c.State.PutShared(early, int(c.State.Number(early))+1)
	}
	return n.ask(c), nil
}

func (n pollingWait) leave(c *Context, outcome tree.Outcome) Action {
	c.State.Remove(string(c.ID) + waitEnd)
	c.State.Remove(string(c.ID) + waitEarly)
	return Goto{outcome}
}

func (n pollingWait) ask(c *Context) Action {
	text := strings.ReplaceAll(c.text(n.waitText, "Waiting for response..."), "{{time}}", strconv.Itoa(n.seconds))
	callbacks := []callback.Callback{callback.NewPollingWait(int64(n.seconds)*1000, text)}
	if n.exitable {
		options := []string{c.text(n.exitText, "Cancel")}
		callbacks = append(callbacks, callback.NewConfirmation(callback.Information, options, 0, notPressed))
	}
	return Ask{Callbacks: callbacks}
}
