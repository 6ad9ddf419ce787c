package main

// demo is a product of the demo mall. Its picture is in the directory pictures, which the gateway is told to serve.
type demo struct {
	category, picture string
	name              string // Chinese and English: both must be found
	description       string
	price, stock      int64 // fen; units
}

// morePictures are those of a product besides its own; the gateway serves them all.
var morePictures = map[string][]string{"teapot": {"gaiwan", "tea-tray"}, "tent": {"backpack"}}

// demos are sold from the day a mall opens for the first time. One is scarce and one is sold out, so that both can be
// seen.
var demos = []demo{
	{"tea", "teapot", "青花瓷茶壶 Blue-and-White Teapot", "Holds 600 ml, painted by hand in Jingdezhen. 手绘青花，容量六百毫升。", 16800,
		60},
	{"tea", "tea-tin", "西湖龙井 West Lake Longjing Green Tea", "Spring harvest, 125 g in a tin. 明前春茶，罐装一百二十五克。", 23800, 120},
	{"tea", "gaiwan", "白瓷盖碗 White Porcelain Gaiwan", "Thin-walled, 120 ml, with saucer. 薄胎盖碗，附茶托。", 8900, 80},
	{"tea", "matcha-whisk", "竹制茶筅 Bamboo Matcha Whisk", "One hundred tines, cut from one piece of bamboo. 百本立，整竹手工。", 5900,
		150},
	{"tea", "travel-mug", "保温杯 Insulated Travel Mug", "Keeps tea hot for eight hours, 450 ml. 八小时保温。", 12900, 200},
	{"tea", "tea-tray", "黑胡桃茶盘 Walnut Tea Tray", "With a drain and room for six cups. 带排水，可放六只茶杯。", 29900, 3},

	{"kitchen", "wok", "铸铁炒锅 Cast Iron Wok", "32 cm, seasoned, works on induction. 三十二厘米，电磁炉可用。", 19900, 70},
	{"kitchen", "chopsticks", "红木筷子 Rosewood Chopsticks", "Ten pairs in a gift box. 十双礼盒装。", 6800, 300},
	{"kitchen", "rice-cooker", "电饭煲 Rice Cooker", "Three litres, with a timer. 三升，可预约。", 34900, 45},
	{"kitchen", "cleaver", "中式菜刀 Chinese Cleaver", "Forged steel, 18 cm blade. 锻打钢，刀长十八厘米。", 15800, 90},
	{"kitchen", "steamer", "竹蒸笼 Bamboo Steamer", "Two tiers and a lid, 25 cm. 两层带盖，二十五厘米。", 7900, 110},
	{"kitchen", "soup-bowl", "拉面碗 Ramen Bowl", "Stoneware, a litre, keeps warm. 粗陶大碗，容量一升。", 4500, 240},

	{"home", "desk-lamp", "护眼台灯 Desk Lamp", "Warm to cold light, dimmable. 冷暖可调，无频闪。", 18900, 65},
	{"home", "cushion", "丝绒抱枕 Velvet Cushion", "45 × 45 cm, cover can be washed. 枕套可拆洗。", 6900, 130},
	{"home", "candle", "桂花香薰蜡烛 Osmanthus Scented Candle", "Soy wax, burns for forty hours. 大豆蜡，燃烧四十小时。", 9800, 90},
	{"home", "potted-plant", "龟背竹盆栽 Monstera in a Pot", "40 cm high, likes shade. 高四十厘米，喜阴。", 8800, 35},
	{"home", "bath-towel", "纯棉浴巾 Cotton Bath Towel", "70 × 140 cm, 600 g/m². 加厚纯棉，吸水柔软。", 7900, 220},
	{"home", "wall-clock", "静音挂钟 Silent Wall Clock", "30 cm, does not tick. 三十厘米，静音机芯。", 11900, 75},

	{"electronics", "headphones", "降噪耳机 Noise-Cancelling Headphones", "Thirty hours on one charge. 续航三十小时。", 89900, 50},
	{"electronics", "keyboard", "机械键盘 Mechanical Keyboard", "84 keys, hot-swappable. 八十四键，热插拔。", 45900, 40},
	{"electronics", "power-bank", "移动电源 Power Bank", "20,000 mAh, charges a laptop. 两万毫安时，可充笔记本。", 19900, 160},
	{"electronics", "smart-watch", "智能手表 Smart Watch", "Heart rate, sleep, swims along. 心率、睡眠，五十米防水。", 129900, 30},
	{"electronics", "speaker", "蓝牙音箱 Bluetooth Speaker", "Two of them make stereo. 可双机立体声。", 39900, 55},
	{"electronics", "camera", "拍立得相机 Instant Camera", "Prints while the party lasts. 即拍即得。", 69900, 0},

	{"clothing", "t-shirt", "纯棉T恤 Cotton T-Shirt", "220 g cotton, cut straight. 重磅纯棉，直筒版型。", 9900, 400},
	{"clothing", "sneakers", "帆布运动鞋 Canvas Sneakers", "Rubber sole, sizes 36 to 45. 橡胶底，三十六至四十五码。", 25900, 140},
	{"clothing", "wool-scarf", "羊毛围巾 Wool Scarf", "Two metres of merino. 两米长，美利奴羊毛。", 19900, 85},
	{"clothing", "rain-jacket", "防雨外套 Rain Jacket", "Folds into its own pocket. 可收纳进口袋。", 36900, 60},
	{"clothing", "baseball-cap", "棒球帽 Baseball Cap", "Washed cotton, fits all. 水洗棉，可调节。", 5900, 180},
	{"clothing", "socks", "中筒棉袜 Cotton Socks", "Five pairs, five colours. 五双五色。", 3900, 500},

	{"outdoors", "backpack", "徒步背包 Hiking Backpack", "35 litres, with a rain cover. 三十五升，附防雨罩。", 42900, 48},
	{"outdoors", "umbrella", "折叠雨伞 Folding Umbrella", "Ten ribs, stands up to wind. 十骨抗风。", 7900, 260},
	{"outdoors", "bicycle-helmet", "骑行头盔 Bicycle Helmet", "280 g, with a rear light. 二百八十克，带尾灯。", 23900, 70},
	{"outdoors", "badminton", "羽毛球拍 Badminton Racket", "Carbon, strung at 24 lb. 全碳素，二十四磅。", 32900, 95},
	{"outdoors", "yoga-mat", "瑜伽垫 Yoga Mat", "6 mm natural rubber. 六毫米天然橡胶。", 16900, 100},
	{"outdoors", "tent", "双人帐篷 Tent for Two", "2.1 kg, up in five minutes. 二点一公斤，五分钟搭好。", 79900, 25},

	{"toys", "teddy-bear", "泰迪熊 Teddy Bear", "40 cm, patient. 四十厘米，很有耐心。", 12900, 120},
	{"toys", "kite", "沙燕风筝 Swallow Kite", "Silk on bamboo, with 100 m of line. 竹骨绢面，附百米线。", 8800, 66},
	{"toys", "puzzle", "清明上河图拼图 Jigsaw Puzzle, 1000 Pieces", "Along the River During the Qingming Festival. 一千片。", 9900,
		88},
	{"toys", "wooden-train", "木制小火车 Wooden Train", "Beech, for three years and up. 榉木，三岁以上。", 15900, 74},
	{"toys", "building-blocks", "积木 Building Blocks", "Fifty blocks in a bag. 五十块，布袋装。", 11900, 132},
	{"toys", "spinning-top", "木陀螺 Spinning Top", "Turned by hand, runs for two minutes. 手工车制，可转两分钟。", 2900, 350},

	{"stationery", "notebook", "笔记本 Dotted Notebook", "160 pages that lie flat. 一百六十页，平摊装订。", 4900, 420},
	{"stationery", "calligraphy-brush", "狼毫毛笔 Calligraphy Brush", "Medium, for running script. 中楷，适合行书。", 6800, 150},
	{"stationery", "fountain-pen", "钢笔 Fountain Pen", "Fine nib, takes cartridges. 细尖，可换墨囊。", 18900, 92},
	{"stationery", "ink-bottle", "松烟墨汁 Pine Soot Ink", "250 ml, deep black. 二百五十毫升，乌黑。", 3600, 210},
	{"stationery", "paper-lantern", "手工纸灯笼 Paper Lantern", "Folds flat, light bulb not included. 可折叠，不含灯泡。", 5900, 140},
	{"books/picture books", "storybook", "山海经图画书 Picture Book of Mountains and Seas",
		"Sixty beasts nobody has seen. 六十种没人见过的异兽。",
		8800, 105},
}
