package node

import "time"

// timerStop records how long it is since the Timer Start. Without one it
// records nothing.
type timerStop struct{ key, metric string }

func timerStopType() Type {
	return Type{
		Name:  "TimerStopNode",
		Title: "Timer Stop",
		Properties: []Property{
			startTimeProperty(),
			{Name: "metricKey", Title: "Metric Key", Kind: Text, Required: true},
		},
		Inputs: func(c Config) []string { return []string{c.Text("startTimeProperty")} },
		New: func(c Config) (Node, error) {
			return timerStop{c.Text("startTimeProperty"), c.Text("metricKey")}, nil
		},
	}
}

func (n timerStop) Process(c *Context) (Action, error) {
	if _, measured := c.Result.(Measured); measured || !c.State.Has(n.key) {
		return Goto{Next}, nil
	}
	started := time.UnixMilli(int64(c.State.Number(n.key)))
	return Do{Measure{Kind: Timer, Key: n.metric, Value: max(c.Now.Sub(started), 0)}}, nil
}
