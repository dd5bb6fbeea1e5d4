package daemon

import (
	"encoding/json"
	"testing"

	"sojourn/actors/realm"
	"sojourn/cts/clientside"
)

// What settings let through, tokens can be made by, and the other way round.
func TestClientSideSettingsAgree(t *testing.T) {
	for _, signing := range []realm.Signing{realm.SigningNone, realm.HS256, realm.HS384, realm.HS512, realm.RS256, realm.ES256, realm.ES384, realm.ES512} {
		for _, encryption := range []realm.Encryption{realm.EncryptionNone, realm.Direct, realm.AESKeyWrap, realm.RSAEncryption} {
			l := realm.Layers{Process: realm.DefaultDeployment()}
			l.Global = map[string]json.RawMessage{
				realm.DocumentServerAdvanced: json.RawMessage(`{"org.forgerock.openam.session.stateless.signing.allownone":true}`),
				realm.DocumentSession: json.RawMessage(`{"stateless":{"statelessSigningType":"` + string(signing) +
					`","statelessEncryptionType":"` + string(encryption) + `"}}`),
			}
			_, settings := l.Settings()
			tokens := clientside.Check(realm.ClientSide{Signing: signing, Encryption: encryption})
			if (settings == nil) != (tokens == nil) {
				t.Errorf("%s and %s: settings say %v, tokens say %v", signing, encryption, settings, tokens)
			}
		}
	}
}
