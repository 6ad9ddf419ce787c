package store

import (
	"fmt"
	"sync"
	"testing"
)

// Many questions at once get the same answers as one after the other, each its own products.
func TestQuestionsAboutOffersShareQueries(t *testing.T) {
	s := open(t)
	var all []string
	for i := range 10 {
		all = append(all, s.offerNamed(t, fmt.Sprintf("Mug %02d", i), "", "", int64(100+i)))
	}
	const none = "999999"
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			asked := []string{all[i%10], none, all[(i+3)%10], all[i%10]}
			got, err := s.store.Offers(t.Context(), asked)
			if err != nil || len(got) != 2 || got[0].ID != asked[0] || got[1].ID != asked[2] ||
				got[0].Price.Amount != int64(100+i%10) || got[1].Name != fmt.Sprintf("Mug %02d", (i+3)%10) || !got[0].OnSale {
				t.Errorf("asked %v: %+v, %v", asked, got, err)
			}
		})
	}
	wg.Wait()
}
