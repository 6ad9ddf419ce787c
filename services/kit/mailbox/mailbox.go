// Package mailbox knows which email addresses are one mailbox.
package mailbox

import (
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// hosts maps host names as browsers do (Unicode Technical Standard 46): case, width, composed accents.
var hosts = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false), idna.VerifyDNSLength(true),
	idna.Transitional(false))

// Forms returns the forms of an email address in lower case: first the one to keep, with the domain in Unicode, then
// the one with the domain in ASCII (punycode) if it differs. It returns nil if the part before the @ may look like
// another one (it is not in Unicode's NFKC form: decomposed accents, wide letters, ligatures), or the domain is none.
func Forms(email string) []string {
	at := strings.LastIndex(email, "@")
	if at < 0 || !norm.NFKC.IsNormalString(email[:at]) {
		return nil
	}
	ascii, err := hosts.ToASCII(email[at+1:])
	if err != nil {
		return nil
	}
	name, err := hosts.ToUnicode(ascii)
	if err != nil {
		return nil
	}
	if name == ascii {
		return []string{email[:at+1] + name}
	}
	return []string{email[:at+1] + name, email[:at+1] + ascii}
}
