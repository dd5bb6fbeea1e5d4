package secret

// fixedText is the secret whose keys fixedKeys lists.
const fixedText = "auZ4P0+96RtuuItzpI7SR9vliC4leWg0MsG/xSVFSt0="

func fixedKeys() map[Purpose]string {
	return map[Purpose]string{
		AuthID:       "139bfd904c0df9ba8a116a795a790b8ec8eb5558e68567c3cd467f03c95e3d1a",
		TokenSecret:  "1ab0e9b99f8ac3fbfd0227046c0b96fa76da3941c89128dc81053c1122a30cba",
		TokenMark:    "a9a6124c253e68bd8eed04e2250c8ea11e37afe8544c9dddc6c1ca7f452bae27",
		Handle:       "4dcc36852c63690f405eae2f47f4db8942065221baf7c760c739b38fb2f9e4d2",
		AnswerDigest: "fdfccc9e37ccee5c5c2707546a3b462f3ad8a4fe39cff4ad9c240fa3d3e75976",
		Operator:     "035a667a0d66e25ce740f0f7df72ab1f5f11517d6ff13910354935512ba4cd11",
		AtRest:       "aee79f98209a8e78f752cc5b88cc75c1566cde4cb04305db0acaf6d1f36aace5",
		Backup:       "f34a63e786b63bbc5904c3519a4aba67d80c83f57d3c4b74b4520acc7854aa8c",
		Gossip:       "aa29692146b465a08258c1b40222ed321c08960d3950e2c3bb2a83fd394d74f4",
		MemberCA:     "9d4201b20bac9bc807e12d10dff5a5d3bbb0241dff254a01e534dd22e909fea3",
	}
}
