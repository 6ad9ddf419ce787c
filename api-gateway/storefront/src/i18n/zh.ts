import type { Messages } from './en'

export const zh: Messages = {
  shop: {
    name: '商城', tagline: '有货才卖，绝不重复扣款。', skip: '跳到正文', search: '搜索商品', suggestions: '建议', cart: '购物车',
    cart_count_one: '购物车，{{count}} 件', cart_count_other: '购物车，{{count}} 件', account: '账户', orders: '订单', sign_in: '登录',
    sign_up: '注册', sign_out: '退出登录', sell: '卖家', admin: '管理', language: '语言', menu: '菜单',
    offline: '您已离线。所见内容可能不是最新的，但不会丢失任何东西。', api: '接口', loading: '加载中…', back: '返回', more: '显示更多', save: '保存', saved: '已保存',
    cancel: '取消', remove: '删除', edit: '编辑', close: '关闭', retry: '重试', required: '必填', optional: '选填', all: '全部',
  },
  home: {
    title: '商城', heading: '好物，诚信出售', lead: '库存真实，价格透明，绝不重复扣款。', browse: '浏览全部商品', categories: '分类', new: '新品上架',
    products_one: '{{count}} 件商品', products_other: '{{count}} 件商品',
  },
  list: {
    title: '商品', for: '“{{q}}”的搜索结果', found_one: '{{count}} 件商品', found_other: '{{count}} 件商品', found_many: '超过 {{count}} 件商品', none: '没有找到商品。',
    none_hint: '试试更少的关键词、其他分类或更宽的价格范围。', clear: '清除所有筛选', category: '分类', min: '最低价', max: '最高价', apply: '应用', sort: '排序',
    relevance: '最相关', newest: '最新', price: '价格从低到高', price_down: '价格从高到低', filters: '筛选', end: '已显示全部商品。',
  },
  product: {
    add: '加入购物车', adding: '正在加入…', added: '已加入购物车：{{name}}', quantity: '数量', left_one: '仅剩 {{count}} 件', left_other: '仅剩 {{count}} 件',
    in_stock: '有货', sold_out: '已售罄', limit: '每单最多 {{count}} 件', gone: '该商品已下架。', gone_hint: '已有的订单不受影响。', description: '商品描述', to_cart: '去购物车',
    picture: '{{name}} 图片 {{n}}', none: '暂无图片', sku: '编号',
  },
  cart: {
    title: '购物车', empty: '购物车是空的。', empty_hint: '加入的商品会保留在这里，无需登录。', shop: '去逛逛', total: '商品合计', checkout: '去结算',
    guest: '无需账户即可浏览并加入购物车。下单前请登录，购物车会随您保留。', line_total: '小计', decrease: '减少一件 {{name}}', increase: '增加一件 {{name}}', remove: '删除 {{name}}',
    removed: '已删除：{{name}}', problems: '部分商品有变化，请在结算前查看。', price_changed: '价格已从 {{from}} 变为 {{to}}。', fewer_left: '仅剩 {{count}} 件，请减少数量后结算。',
    too_many: '每单最多 {{count}} 件。', sold_out: '已售罄，请删除后结算。', not_for_sale: '已下架，请删除后结算。',
  },
  sign: {
    in: '登录', up: '注册', email: '邮箱', password: '密码', new_password: '新密码', password_hint: '至少 10 个字符，且不易猜到。', show: '显示', hide: '隐藏', no_account: '还没有账户？',
    have_account: '已有账户？', forgot: '忘记密码？', reset: '设置新密码', reset_lead: '如果该邮箱有账户，我们会发送一封带链接的邮件。链接 30 分钟内有效，只能使用一次。', reset_send: '发送邮件', code: '邮件中的验证码',
    reset_sent: '如果 {{email}} 有账户，邮件已发出。', reset_done: '新密码已设置，请登录。', verify: '验证邮箱', verified: '邮箱已验证。', welcome: '欢迎！您的账户已就绪。',
    demo: '演示商城的账户：shopper@mall.local，密码 Mall-demo-2026。', needed: '请先登录。',
  },
  checkout: {
    title: '结算', address: '送到哪里？', new_address: '新地址', use: '使用此地址', items: '订购商品', goods: '商品', shipping: '运费', shipping_free: '免运费', total: '总计',
    place: '提交订单 · {{total}}', placing: '正在提交订单…', place_hint: '提交订单时为您保留库存，下一页付款。', lost: '未收到答复。请再次点击：无论发生了什么，订单只会提交一次。',
    sold_out: '部分商品刚刚售出，购物车显示剩余数量。', price_changed: '价格有变，请查看新的总价。', no_address: '请选择或填写地址。', expired: '时间过长，库存已释放。请重新提交订单。',
    open_orders: '未付款的订单太多。请先付款或取消其中一个：', nothing: '购物车是空的。', order: '订单 {{id}}',
  },
  address: {
    title: '地址', none: '还没有地址。', add: '添加地址', edit: '编辑地址', recipient: '收件人', phone: '电话', street: '街道和门牌号', city: '城市', state: '省/州', postal_code: '邮政编码',
    country: '国家/地区', invalid: '与该国家/地区的格式不符，例如 {{example}}。', missing: '请填写此项。',
    labels: {
      city: '城市', town: '镇', suburb: '郊区', district: '区', village: '村', state: '州', province: '省', prefecture: '都道府县', county: '郡', region: '大区', emirate: '酋长国',
      island: '岛', area: '地区', zip: '邮政编码', postal_code: '邮政编码', postcode: '邮政编码', pin: '邮政编码', eircode: '邮政编码', street: '街道和门牌号', department: '省', parish: '教区',
      oblast: '州', do_si: '道/市', post_town: '城镇', neighborhood: '街区', townland: '乡区',
    },
  },
  orders: {
    title: '我的订单', none: '还没有订单。', order: '订单 {{id}}', placed: '下单时间 {{at}}',
    status: { awaiting_payment: '待付款', paid: '已付款', cancelled: '已取消', refunded: '已退款' },
    reason: { cancelled_by_shopper: '您已取消。', cancelled_by_operator: '商店已取消。', payment_timeout: '未按时付款。', out_of_stock: '库存已售出，无法发货，将退款给您。' },
    items_one: '{{count}} 件', items_other: '{{count}} 件', history: '订单进程', to: '收货地址', live: '实时', live_lost: '暂时无法实时更新，正在重试。', pay_within: '请在 {{time}} 内付款',
    pay_over: '付款时间已过。', cancel: '取消订单', cancel_ask: '取消此订单？库存将退回商店。', cancel_keep: '保留', change_address: '更改地址', paid_thanks: '谢谢！订单已付款。', again: '继续购物',
  },
  pay: {
    title: '银行卡付款', number: '卡号', expiry: '有效期（月/年）', cvc: '安全码', pay: '支付 {{amount}}', paying: '正在支付…', number_bad: '请检查卡号。', expiry_bad: '月和年，例如 08/30，不能早于本月。',
    cvc_bad: '三位或四位数字。', processing: '付款正在处理，银行尚未答复。结果会自动确定，最多扣款一次。您可以离开此页。', declined: '银行卡被拒绝（{{reason}}）。未扣款，请换一张卡。',
    lost: '未收到答复。请再次点击：最多扣款一次。', in_progress: '此订单的付款正在进行，请等待结果。', action: '银行需要您确认付款。', approve: '确认', reject: '拒绝', safe: '卡号直接交给支付机构，商店不保存。',
    sandbox: '测试卡：4242 4242 4242 4242 成功，4000 0000 0000 0002 被拒绝。', reasons: { card_declined: '银行拒绝', insufficient_funds: '余额不足', authentication_failed: '未确认' },
    card: '{{brand}} 尾号 {{last4}}',
  },
  account: {
    title: '我的账户', profile: '个人资料', email: '邮箱', verified: '已验证', unverified: '未验证', verify: '发送验证邮件', verify_sent: '邮件已发出。', verify_code: '我有验证码', since: '注册于 {{at}}', password: '修改密码',
    current_password: '当前密码', password_changed: '密码已修改。', sessions: '登录的设备', session_now: '此浏览器', session_other: '其他浏览器或应用', session_used: '最近使用 {{at}}', session_end: '使其退出',
    delete: '删除账户', delete_ask: '永久删除账户？订单依法由商店保留。请输入密码确认。', deleted: '账户已删除。',
  },
  errors: {
    title: '出错了', not_found: '页面不存在。', not_found_hint: '可能已移动，或地址有误。', home: '回到首页', trace: '如需咨询，请提供此编号：{{id}}', offline: '无法连接商店，请检查网络。',
    unavailable: '商店的一部分暂时不可用，请重试。', timeout: '商店未及时答复。请重试：不会重复执行。', too_many_requests: '操作太快，请稍候。', invalid_credentials: '邮箱或密码不正确。', banned: '此账户已关闭。',
    email_taken: '此邮箱已注册，请登录。', wrong_password: '当前密码不正确。', invalid_token: '链接已使用或已过期，请重新申请。', already_verified: '邮箱已验证。', order_not_cancellable: '此订单已不能取消。',
    order_not_changeable: '已不能更改地址。', order_not_payable: '此订单已不能付款。', already_paid: '此订单已付款，没有再次扣款。', insufficient_stock: '超过现有数量。', precondition_failed: '已被他人修改，请查看新版本。',
    validation_failed: '请检查标出的内容。', forbidden: '您的账户无权操作。',
  },
}
