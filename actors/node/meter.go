package node

// meter counts an event under an operator's key.
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
