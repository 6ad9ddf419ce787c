import i18next from 'i18next'

const en = {
  sell: {
    title: 'My shop', products: 'Products', orders: 'Sold', new: 'New product', none: 'You do not sell anything yet.',
    state: { on_sale: 'On sale', seller_closed: 'Off sale: the account is closed', removed: 'Removed' },
    available: '{{count}} available', untracked: 'never sold out', no_sku: 'no number',
    saved: 'Saved.', created: 'The product is on sale.', show: 'Show in the shop',
    name: 'Name', description: 'Description', category: 'Category', category_hint: 'Levels with a slash between: Home/Kitchen', price: 'Price ({{currency}})',
    sku: 'Your own number', max: 'Most units per order', tracked: 'Count the stock', tracked_hint: 'Without it the product is never sold out.',
    stock: 'Units in stock', pictures: 'Pictures', picture_url: 'Address of picture {{n}}', picture_alt: 'What picture {{n}} shows', add_picture: 'Add an address',
    upload: 'Upload pictures', uploading: 'Uploading…', upload_later: 'You can upload pictures when the product is created.', upload_there: '{{name}}: the product has this picture.',
    upload_bad: 'this is no picture that can be read.', upload_room: 'A product has at most {{count}} pictures.', first_picture: 'Make picture {{n}} the main one',
    remove_picture: 'Remove picture {{n}}', url_bad: 'An address that begins with https://, or with / on this site.',
    missing: 'Please fill this in.', price_bad: 'A price such as 12.90.', whole: 'A whole number.',
    conflict: 'Somebody changed this product meanwhile. It differs from your version in:', take: 'Take the other version', keep: 'Save mine all the same',
    remove: 'Remove the product', remove_ask: 'Remove this product from the shop? Orders keep it. Nobody can buy it any more.', removed: 'Removed: {{name}}',
    stock_now: 'Stock', on_hand: 'On hand', reserved: 'Reserved for orders', delta: 'Change', delta_hint: 'Such as 25 for a delivery, or -2 for two that broke.', reason: 'Reason',
    book: 'Change the stock', booked: 'The stock is changed.', ledger: 'What happened to the stock', no_ledger: 'Nothing yet.',
    kind: { initial: 'Created', adjust: 'Changed by hand', reserve: 'Ordered', deduct: 'Paid', release: 'Order cancelled' },
    after: '{{hand}} on hand, {{reserved}} reserved', sold_none: 'Nothing was sold yet.', sold_lead: 'Send what is paid to its address.',
    not_sent: 'Not to be sent: it was paid, but its stock was missing.',
  },
  admin: {
    title: 'Administration', users: 'Users', orders: 'Orders', holds: 'Held stock', email: 'Email', find: 'Find', no_users: 'Nobody has this email.',
    since: 'since {{at}}', banned: 'Banned: {{reason}}', roles: 'Roles of {{email}}', role: { customer: 'Customer', seller: 'Seller', admin: 'Admin' },
    change_roles: 'Change roles', roles_hint: 'Open sessions have the new roles within a minute.', ban: 'Ban', unban: 'Lift the ban', ban_title: 'Ban {{email}}',
    ban_ask: 'The account cannot sign in any more, and its sessions end within a second. What it sells goes off sale. You can lift the ban.', reason: 'Reason',
    order_id: 'Number of the order', open: 'Show', orders_hint: 'Why is an order as it is? Enter its number.', of_user: 'Of user {{id}}', history: 'Status', events: 'Events',
    no_events: 'None in the last 14 days.', published: 'published {{at}}', unpublished: 'not published yet', trace: 'trace {{id}}', payments: 'Payments', no_payments: 'No payment.',
    payment: { processing: 'Processing', requires_action: 'The bank asks', succeeded: 'Succeeded', failed: 'Failed', cancelled: 'Cancelled', refunded: 'Refunded' },
    stock: 'Stock', no_stock: 'The stock knows nothing of this order yet.', rejected: 'The stock was missing ({{at}}).', reservation: { reserved: 'Reserved', deducted: 'Taken out', released: 'Given back' },
    product: 'Product {{id}}', no_holds: 'Nobody holds stock.', hold: { hold: 'Running checkout', unpaid_order: 'Unpaid order' }, until: 'until {{at}}', since_at: 'since {{at}}',
    release: 'Release', release_title: 'Release the stock of order {{id}}', release_ask: 'An unpaid order is cancelled, a running checkout ends. The stock is free a moment later.',
    audit: 'Audit', audit_lead: 'What the last audit found when it compared the books of all services.', no_audit: 'No audit has been run yet. An operator runs it with the command audit.',
    balanced: 'The books balance.', unbalanced: 'The books do not balance.', unbalanced_next: 'Run the command audit: it names each finding, and the runbook says what to do.', audit_old: 'The last audit is more than a day old. Run one every night.',
    verdict: { balanced: 'balanced', 'in flight': 'in flight', violated: 'violated' }, findings_one: '{{count}} finding', findings_other: '{{count}} findings',
    settings: 'Settings', settings_lead: 'What is in force in each service. Operators change it with the command config, or in the values of the chart.', empty: '(empty)', was_set: 'Set', by_default: 'Default',
    parked: 'Parked events', parked_lead: 'Events that a service could not handle. They are tried again by themselves.', no_parked: 'None.', unreadable: 'An event that cannot be read',
    tried_one: 'Tried once since {{since}}, again at {{next}}', tried_other: 'Tried {{count}} times since {{since}}, again at {{next}}', retry: 'Try now', retried: 'The event is tried now.',
    drop: 'Drop', drop_title: 'Drop this event', drop_ask: 'It will never have its effect in {{service}}. Only drop an event that cannot succeed, and set right by hand what it would have changed.', dropped: 'The event is dropped.',
    released: 'The stock is free.', product_id: 'Number of the product', user_id: 'Number of the user', unknown_user: 'unknown',
  },
} as const

type Texts<T> = { [K in keyof T]: T[K] extends string ? string : Texts<T[K]> }
export type OfficeTexts = Texts<typeof en>

const zh: OfficeTexts = {
  sell: {
    title: '我的店铺', products: '商品', orders: '已售', new: '新商品', none: '您还没有出售任何商品。',
    state: { on_sale: '在售', seller_closed: '已下架：账户已关闭', removed: '已删除' },
    available: '可售 {{count}} 件', untracked: '不限库存', no_sku: '无编号',
    saved: '已保存。', created: '商品已上架。', show: '在商店中查看',
    name: '名称', description: '描述', category: '分类', category_hint: '各级之间用斜线：家居/厨房', price: '价格（{{currency}}）',
    sku: '您的编号', max: '每单最多件数', tracked: '计算库存', tracked_hint: '不计算库存的商品永不售罄。',
    stock: '库存件数', pictures: '图片', picture_url: '图片 {{n}} 的地址', picture_alt: '图片 {{n}} 的内容', add_picture: '添加地址',
    upload: '上传图片', uploading: '正在上传…', upload_later: '创建商品后即可上传图片。', upload_there: '{{name}}：商品已有此图片。',
    upload_bad: '无法读取此图片。', upload_room: '一件商品最多 {{count}} 张图片。', first_picture: '将图片 {{n}} 设为主图',
    remove_picture: '删除图片 {{n}}', url_bad: '以 https:// 开头的地址，或本站以 / 开头的路径。',
    missing: '请填写此项。', price_bad: '价格，例如 12.90。', whole: '请填写整数。',
    conflict: '此商品已被他人修改。与您的版本不同的有：', take: '采用对方的版本', keep: '仍保存我的版本',
    remove: '删除商品', remove_ask: '从商店删除此商品？已有订单不受影响，之后无人能再购买。', removed: '已删除：{{name}}',
    stock_now: '库存', on_hand: '现有', reserved: '订单预留', delta: '变动', delta_hint: '例如到货填 25，损坏两件填 -2。', reason: '原因',
    book: '变更库存', booked: '库存已变更。', ledger: '库存记录', no_ledger: '暂无记录。',
    kind: { initial: '创建', adjust: '手动变更', reserve: '已下单', deduct: '已付款', release: '订单取消' },
    after: '现有 {{hand}}，预留 {{reserved}}', sold_none: '还没有售出商品。', sold_lead: '请将已付款的商品寄往其地址。',
    not_sent: '无需发货：已付款，但库存不足。',
  },
  admin: {
    title: '管理', users: '用户', orders: '订单', holds: '占用的库存', email: '邮箱', find: '查找', no_users: '没有使用此邮箱的用户。',
    since: '注册于 {{at}}', banned: '已封禁：{{reason}}', roles: '{{email}} 的角色', role: { customer: '顾客', seller: '卖家', admin: '管理员' },
    change_roles: '更改角色', roles_hint: '已登录的会话在一分钟内获得新角色。', ban: '封禁', unban: '解除封禁', ban_title: '封禁 {{email}}',
    ban_ask: '此账户将无法登录，会话在一秒内结束，其商品将下架。您可以解除封禁。', reason: '原因',
    order_id: '订单号', open: '查看', orders_hint: '订单为何如此？请输入订单号。', of_user: '用户 {{id}}', history: '状态', events: '事件',
    no_events: '最近 14 天没有事件。', published: '发布于 {{at}}', unpublished: '尚未发布', trace: '追踪号 {{id}}', payments: '付款', no_payments: '没有付款。',
    payment: { processing: '处理中', requires_action: '银行询问', succeeded: '成功', failed: '失败', cancelled: '已取消', refunded: '已退款' },
    stock: '库存', no_stock: '库存还不知道此订单。', rejected: '库存不足（{{at}}）。', reservation: { reserved: '已预留', deducted: '已扣除', released: '已退回' },
    product: '商品 {{id}}', no_holds: '没有占用的库存。', hold: { hold: '正在结账', unpaid_order: '未付款订单' }, until: '至 {{at}}', since_at: '自 {{at}}',
    release: '释放', release_title: '释放订单 {{id}} 的库存', release_ask: '未付款的订单将被取消，正在进行的结账将结束，库存随即可售。',
    audit: '核对', audit_lead: '上次核对所有服务账目的结果。', no_audit: '尚未核对。由运维人员用 audit 命令执行。',
    balanced: '账目相符。', unbalanced: '账目不符。', unbalanced_next: '请执行 audit 命令：它会列出每项问题，运维手册说明处理方法。', audit_old: '上次核对已超过一天，应每晚执行一次。',
    verdict: { balanced: '相符', 'in flight': '处理中', violated: '不符' }, findings_one: '{{count}} 项', findings_other: '{{count}} 项',
    settings: '设置', settings_lead: '各服务当前生效的设置。运维人员用 config 命令或在 chart 的 values 中更改。', empty: '（空）', was_set: '已设置', by_default: '默认值',
    parked: '搁置的事件', parked_lead: '服务无法处理的事件，会自动重试。', no_parked: '没有。', unreadable: '无法读取的事件',
    tried_one: '自 {{since}} 起尝试 1 次，下次 {{next}}', tried_other: '自 {{since}} 起尝试 {{count}} 次，下次 {{next}}', retry: '立即重试', retried: '正在重试此事件。',
    drop: '丢弃', drop_title: '丢弃此事件', drop_ask: '它在 {{service}} 中将永远不会生效。只丢弃不可能成功的事件，并手动更正它本应更改的内容。', dropped: '事件已丢弃。',
    released: '库存已释放。', product_id: '商品号', user_id: '用户号', unknown_user: '未知',
  },
}

/** The texts of pages for sellers and admins, which shoppers do not load. */
export function addOfficeTexts() {
  i18next.addResourceBundle('en', 'office', en)
  i18next.addResourceBundle('zh', 'office', zh)
}
