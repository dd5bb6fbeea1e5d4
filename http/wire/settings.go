package wire

import "encoding/json"

// SettingInForce is a setting of a realm as it is now: by its document and its
// dotted path in it, with the layer that it comes from ("default", "process",
// "global" or "realm").
type SettingInForce struct {
	ID       string          `json:"_id"`
	Document string          `json:"document"`
	Setting  string          `json:"setting"`
	Value    json.RawMessage `json:"value"`
	Origin   string          `json:"origin"`
}
