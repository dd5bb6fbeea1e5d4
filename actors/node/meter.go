package node

// meter counts an event under an operator's key, in the memory of the member
// where the step runs. A step that is run again, since its member was lost or
// its answer was, counts again, and what a lost member counted is gone with it:
// a meter shows load, and nothing may be decided by it.
type meter struct{ metric string }

func meterType() Type {
	return Type{
		Name:       "MeterNode",
		Title:      "Meter",
		Properties: []Property{{Name: "metricKey", Title: "Metric Key", Kind: Text, Required: true}},
		New:        func(c Config) (Node, error) { return meter{c.Text("metricKey")}, nil },
	}
}

func (n meter) Process(c *Context) (Action, error) {
	if _, measured := c.Result.(Measured); measured {
		return Goto{Next}, nil
	}
	return Do{Measure{Kind: Meter, Key: n.metric}}, nil
}
