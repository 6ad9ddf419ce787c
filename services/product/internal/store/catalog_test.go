package store

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"daprmall.dev/services/kit/problem"
	"daprmall.dev/services/product/internal/catalog"
	"daprmall.dev/services/product/internal/inventory"
)

func (s *fixture) offerNamed(t *testing.T, name, description, category string, price int64) string {
	t.Helper()
	id := fmt.Sprint(s.next.Add(1))
	_, err := s.catalog.Create(
		ctx, id, seller,
		catalog.CreateParams{Name: name, Description: description, Category: category, Price: price, Stock: 1},
	)
	must(t, err)
	return id
}

func (s *fixture) find(t *testing.T, q catalog.Query) []string {
	t.Helper()
	if q.PageSize == 0 {
		q.PageSize = 20
	}
	page, err := s.catalog.Search(ctx, q)
	must(t, err)
	var names []string
	for _, v := range page.Items {
		names = append(names, v.Name)
	}
	return names
}

func TestSearchFindsChineseAndEnglish(t *testing.T) {
	s := open(t)
	s.offerNamed(t, "紫砂茶壶", "宜兴手工制作,容量 300ml", "厨房", 29900)
	s.offerNamed(t, "Running Shoes", "Light shoes for runners.", "sports", 49900)
	s.offerNamed(t, "Café Mug", "A mug for the morning.", "kitchen", 4900)
	s.offerNamed(t, "USB-C 充电器 65W", "Charges laptops.", "electronics", 12900)
	s.offerNamed(t, "Teapot", "Pours well. Goes with every mug.", "kitchen", 12900)
	for q, want := range map[string][]string{
		"茶壶":             {"紫砂茶壶"},
		"紫砂":             {"紫砂茶壶"},
		"茶":              {"紫砂茶壶"},
		"壶茶":             nil,
		"手工":             {"紫砂茶壶"},
		"宜兴茶壶":           nil, // 兴茶 does not occur: words are matched as phrases
		"宜兴 茶壶":          {"紫砂茶壶"},
		"run":            {"Running Shoes"},
		"shoe":           {"Running Shoes"},
		"RUNNING":        {"Running Shoes"},
		"runn":           {"Running Shoes"}, // an incomplete word, while typing
		"cafe":           {"Café Mug"},
		"café":           {"Café Mug"},
		"ＭＵＧ":            {"Café Mug", "Teapot"}, // a match in the name ranks higher than one in the description
		"the mug":        {"Café Mug", "Teapot"},
		"usb c 充电器":      {"USB-C 充电器 65W"},
		"usb-c":          {"USB-C 充电器 65W"},
		"65w":            {"USB-C 充电器 65W"},
		"teapot mug":     {"Teapot"},
		"kitchen teapot": {"Teapot"},
		"!!! ---":        nil,
		"'; drop table":  nil,
		"a & b | !c:*":   nil,
		"<-> ( ) \\":     nil,
	} {
		if got := s.find(t, catalog.Query{Words: q}); !slices.Equal(got, want) {
			t.Errorf("%q finds %v, want %v", q, got, want)
		}
	}
	if got := s.find(t, catalog.Query{Words: strings.Repeat("x", 200)}); got != nil {
		t.Errorf("a very long word finds %v", got)
	}
}

func TestSearchFindsWhatShoppersType(t *testing.T) {
	s := open(t)
	for _, name := range []string{
		"เสื้อยืดผ้าฝ้ายสีดำ", "ເສື້ອຜ້າຝ້າຍ", "អាវយឺតកប្បាស", "ဝါဂွမ်းအင်္ကျီ",
		"סִפּוּר לִילָדִים", "كِتَابُ الأَطْفَالِ", "O’Reilly Learning Go", "Sony WH-1000XM4",
		"Straßenkarte Berlin", "ガラスのコップ",
		"C++ Primer", "C# in Depth", "Cat bowl", "國畫顏料", "AT&T phone", "Men's shirt", "iPhone 15 case", "Wi-Fi router",
		"Fujifilm X100V",
	} {
		s.offerNamed(t, name, "", "things", 100)
	}
	for q, want := range map[string]string{
		"ผ้าฝ้าย": "เสื้อยืดผ้าฝ้ายสีดำ", "สีดำ": "เสื้อยืดผ้าฝ้ายสีดำ", "ຜ້າຝ້າຍ": "ເສື້ອຜ້າຝ້າຍ", "កប្បាស": "អាវយឺតកប្បាស",
		"အင်္ကျီ": "ဝါဂွမ်းအင်္ကျီ",
		"ספור":    "סִפּוּר לִילָדִים", "לילדים": "סִפּוּר לִילָדִים", "كتاب": "كِتَابُ الأَطْفَالِ",
		"الاطفال": "كِتَابُ الأَطْفَالِ",
		"oreilly": "O’Reilly Learning Go", "o'reilly": "O’Reilly Learning Go", "O’Reilly": "O’Reilly Learning Go",
		"reilly": "O’Reilly Learning Go", "o`reilly": "O’Reilly Learning Go",
		"WH1000XM4": "Sony WH-1000XM4", "wh-1000xm4": "Sony WH-1000XM4", "wh 1000 xm4": "Sony WH-1000XM4",
		"1000xm4": "Sony WH-1000XM4", "wh-1000": "Sony WH-1000XM4", "xm4": "Sony WH-1000XM4",
		"strasse": "Straßenkarte Berlin", "STRASSENKARTE": "Straßenkarte Berlin", "straße": "Straßenkarte Berlin",
		"ｶﾞﾗｽ": "ガラスのコップ", "がらす": "ガラスのコップ",
		"c++": "C++ Primer", "C#": "C# in Depth", "国画": "國畫顏料", "顏料": "國畫顏料", "国画颜料": "國畫顏料",
		"att": "AT&T phone", "at&t": "AT&T phone", "mens": "Men's shirt", "men": "Men's shirt", "men’s": "Men's shirt",
		"iphone15": "iPhone 15 case", "iphone 15": "iPhone 15 case", "wifi": "Wi-Fi router", "wi fi": "Wi-Fi router",
		"x100v": "Fujifilm X100V", "x100": "Fujifilm X100V", "x-100v": "Fujifilm X100V",
	} {
		if got := s.find(t, catalog.Query{Words: q}); !slices.Equal(got, []string{want}) {
			t.Errorf("%q finds %q, want %q", q, got, want)
		}
	}
	for _, q := range []string{"ฝ้าย ไหม", "xm5", "d++", "c#+", "国话"} {
		if got := s.find(t, catalog.Query{Words: q}); got != nil {
			t.Errorf("%q finds %q", q, got)
		}
	}
}

// What a service of the version before this one writes becomes searchable by the rules of this one.
func TestWhatAnEarlierVersionWroteIsIndexedAgain(t *testing.T) {
	s := open(t)
	for id := range 2*indexBatch + 1 {
		must(t, s.db.Exec(`INSERT INTO products (id, seller_id, name, description, category, image_url, price, currency,
				version, search, created_at, updated_at)
			VALUES (?, 5, 'Sony WH-1000XM4', '', '', '', 1, 'CNY', 1, to_tsvector('pg_catalog.simple', 'sony wh'), now(),
				now())`,
			id+1).Error)
		must(t, s.db.Exec("INSERT INTO stock VALUES (?, 1, 0, 1)", id+1).Error)
	}
	q := catalog.Query{Words: "wh1000xm4", PageSize: 100, Sort: catalog.Newest}
	found := func() int {
		page, err := s.catalog.Search(ctx, q)
		must(t, err)
		return page.Total
	}
	if n := found(); n != 0 {
		t.Fatalf("%d found before", n)
	}
	for _, want := range []bool{true, true, false} {
		if more, err := s.store.IndexAgain(ctx); err != nil || more != want {
			t.Fatalf("more %v, %v; want %v", more, err, want)
		}
	}
	if n := found(); n != 2*indexBatch+1 {
		t.Errorf("%d found after", n)
	}
	must(t, s.db.Exec("UPDATE products SET name = 'Teapot', version = 2, search = '' WHERE id = 1").Error)
	_, err := s.store.IndexAgain(ctx)
	must(t, err)
	if got := s.find(t, catalog.Query{Words: "teapot"}); len(got) != 1 {
		t.Errorf("a change of the version before finds %v", got)
	}
}

func TestSearchFollowsChangesAndRemovals(t *testing.T) {
	s := open(t)
	id := s.offerNamed(t, "Teapot", "", "kitchen", 100)
	name := "水壶 Kettle"
	v, err := s.catalog.Change(ctx, id, seller, 1, catalog.Change{Name: &name})
	if err != nil || v.Version != 2 || v.Name != name {
		t.Fatalf("%+v, %v", v, err)
	}
	if got := s.find(t, catalog.Query{Words: "teapot"}); got != nil {
		t.Errorf("the old name still finds %v", got)
	}
	if got := s.find(t, catalog.Query{Words: "水壶"}); len(got) != 1 {
		t.Errorf("the new name finds %v", got)
	}
	must(t, s.catalog.Remove(ctx, id, seller))
	if got := s.find(t, catalog.Query{Words: "水壶"}); got != nil {
		t.Errorf("a removed product is found: %v", got)
	}
	if _, err := s.catalog.Get(ctx, id); problem.KindOf(err) != problem.NotFound {
		t.Errorf("a removed product is shown: %v", err)
	}
	if offers, err := s.catalog.Offers(ctx, []string{id}); err != nil || len(offers) != 1 || offers[0].OnSale {
		t.Errorf("carts see %+v, %v", offers, err)
	}
}

func TestPagesNeitherRepeatNorSkip(t *testing.T) {
	s := open(t)
	for i := range 25 {
		name, category := fmt.Sprintf("Mug %02d", i), []string{"a", "b"}[i%2]
		s.offerNamed(t, name, strings.Repeat("mug ", i%4), category, int64(100+i/5)) // prices and ranks repeat
	}
	low, high := int64(101), int64(103)
	for name, q := range map[string]catalog.Query{
		"newest": {Sort: catalog.Newest}, "price": {Sort: catalog.PriceUp}, "-price": {Sort: catalog.PriceDown},
		"relevance": {Words: "mug"},
		"filtered":  {Words: "mug", Category: "a", MinPrice: &low, MaxPrice: &high, Sort: catalog.PriceUp},
	} {
		q.PageSize = 100
		whole := s.find(t, q)
		var paged []string
		q.PageSize = 3
		for i := 0; ; i++ {
			page, err := s.catalog.Search(ctx, q)
			must(t, err)
			for _, v := range page.Items {
				paged = append(paged, v.Name)
			}
			if page.Total != len(whole) || page.Capped {
				t.Fatalf("%s: page %d says %d in all, want %d", name, i, page.Total, len(whole))
			}
			if page.Next == nil {
				break
			}
			q.After = page.Next
			if i == 2 && name == "newest" {
				s.offerNamed(t, "Mug that comes meanwhile", "", "c", 1)
				whole = append(whole, "") // the total grows, but later pages do not shift
			}
		}
		if name == "newest" {
			whole = whole[:len(whole)-1]
		}
		if !slices.Equal(paged, whole) {
			t.Errorf("%s: pages make %v, want %v", name, paged, whole)
		}
	}
}

func TestCreatingTwiceUnderOneIDCreatesOneProduct(t *testing.T) {
	s := open(t)
	d := catalog.CreateParams{Name: "Teapot", Price: 100, Stock: 7}
	first, err := s.catalog.Create(ctx, "77", seller, d)
	must(t, err)
	again, err := s.catalog.Create(ctx, "77", seller, d)
	if err != nil || !reflect.DeepEqual(again, first) || again.Available != 7 {
		t.Errorf("again: %+v, %v, want %+v", again, err, first)
	}
	s.wantStock(t, "77", 7, 0)
}

func TestOfTwoConcurrentChangesOneWins(t *testing.T) {
	s := open(t)
	id := s.offerNamed(t, "Teapot", "", "", 100)
	a, b := int64(200), int64(300)
	if _, err := s.catalog.Change(ctx, id, seller, 1, catalog.Change{Price: &a}); err != nil {
		t.Fatal(err)
	}
	_, err := s.catalog.Change(ctx, id, seller, 1, catalog.Change{Price: &b})
	if problem.KindOf(err) != problem.PreconditionFailed {
		t.Errorf("the second editor: %v, want precondition failed", err)
	}
}

func TestASaleDoesNotChangeAProductsVersion(t *testing.T) {
	s := open(t)
	id := s.offer(t, 5)
	must(t, s.inventory.Reserve(ctx, inventory.Order{ID: "1", Lines: []inventory.Line{line(id, 2)}}))
	if v, err := s.catalog.Get(ctx, id); err != nil || v.Version != 1 || v.Available != 3 {
		t.Errorf("%+v, %v, want version 1 and 3 available", v, err)
	}
}

// The products of a banned seller are off sale at once, everywhere, and on sale again when the ban is lifted.
func TestProductsOfAClosedSellerAreNotOnSale(t *testing.T) {
	s := open(t)
	id := "101"
	_, err := s.catalog.Create(ctx, id, seller, catalog.CreateParams{Name: "Teapot", Price: 100, Stock: 10})
	must(t, err)
	apply := func(stranger string) {
		t.Helper()
		s.stranger = stranger
		for range 2 { // events are repeated
			must(t, s.catalog.ApplySeller(ctx, seller.UserID))
		}
	}
	for i, closed := range []bool{false, true, false} {
		apply(map[bool]string{true: seller.UserID}[closed])
		want := 1
		if closed {
			want = 0
		}
		if got := s.find(t, catalog.Query{Words: "teapot"}); len(got) != want {
			t.Errorf("closed %v: a search finds %v", closed, got)
		}
		if _, err := s.catalog.Get(ctx, id); (err == nil) == closed {
			t.Errorf("closed %v: read: %v", closed, err)
		}
		h, err := s.catalog.Hold(ctx, inventory.HoldRequest{OrderID: fmt.Sprint(900 + i),
			Lines: []inventory.Line{line(id, 1)}})
		must(t, err)
		if (h.Status == inventory.Held) == closed {
			t.Errorf("closed %v: the hold is %q", closed, h.Status)
		}
		all, err := s.catalog.List(ctx, catalog.ListFilter{SellerID: seller.UserID, Limit: 10})
		if err != nil || len(all) != 1 || all[0].Closed != closed {
			t.Errorf("closed %v: the admin's list has %+v, %v", closed, all, err)
		}
	}
	must(t, s.catalog.Remove(ctx, id, seller))
	all, err := s.catalog.List(ctx, catalog.ListFilter{Limit: 10})
	if err != nil || len(all) != 1 || !all[0].Deleted {
		t.Errorf("all products: %+v, %v", all, err)
	}
	if all, err = s.catalog.List(ctx, catalog.ListFilter{After: id, Limit: 10}); err != nil || len(all) != 0 {
		t.Errorf("after the last: %+v, %v", all, err)
	}
}
