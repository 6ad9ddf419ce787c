import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { api, body } from '../../api/client'
import { isCode } from '../../api/problem'
import { officeKey } from '../../api/queries'
import { useFormat } from '../../lib/format'
import { rows } from '../../ui/list'
import { ErrorNotice } from '../../ui/notice'
import { Card, Empty, Page, Placeholder } from '../../ui/page'

const day = 24 * 60 * 60 * 1000 // ms: an audit is due every night

export default function Audit() {
  const { t } = useTranslation('office')
  return <Page title={t('admin.audit')} lead={t('admin.audit_lead')}><Last /></Page>
}

function Last() {
  const { t } = useTranslation('office')
  const { time } = useFormat()
  const { data, error, dataUpdatedAt, refetch } = useQuery({
    queryKey: officeKey('audit'),
    queryFn: ({ signal }) => body(api.GET('/v1/admin/audit', { signal })),
    retry: (count, e) => count < 2 && !isCode(e, 'not_found'),
  })
  if (isCode(error, 'not_found')) return <Empty title={t('admin.no_audit')} />
  if (error) return <ErrorNotice error={error} retry={() => void refetch()} />
  if (!data) return <Placeholder className="h-72" />
  return (
    <div className="space-y-4">
      <Card>
        <p className={`text-lg font-semibold ${data.balanced ? 'text-green-800' : 'text-red-800'}`}>{t(data.balanced ? 'admin.balanced' : 'admin.unbalanced')}</p>
        <p className="text-slate-700">{time(data.at)}</p>
        {!data.balanced && <p className="mt-2">{t('admin.unbalanced_next')}</p>}
        {dataUpdatedAt - Date.parse(data.at) > day && <p className="mt-2 text-amber-900">{t('admin.audit_old')}</p>}
      </Card>
      <ul className={rows}>
        {data.books.map((book) => (
          <li key={book.id} className="flex flex-wrap justify-between gap-3 p-4">
            <span className="font-medium">{book.id} {book.title}</span>
            <span>{t(`admin.verdict.${book.verdict}`)}{book.findings > 0 && ` · ${t('admin.findings', { count: book.findings })}`}</span>
          </li>
        ))}
      </ul>
    </div>
  )
}
