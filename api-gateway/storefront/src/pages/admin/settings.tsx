import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { api, body } from '../../api/client'
import { officeKey } from '../../api/queries'
import { rows } from '../../ui/list'
import { ErrorNotice } from '../../ui/notice'
import { Page, Placeholder } from '../../ui/page'

const services = ['gateway', 'auth', 'user', 'product', 'cart', 'checkout', 'order', 'payment'] as const

export default function Settings() {
  const { t } = useTranslation('office')
  return (
    <Page title={t('admin.settings')} lead={t('admin.settings_lead')}>
      <div className="space-y-8">{services.map((service) => <OfService key={service} service={service} />)}</div>
    </Page>
  )
}

function OfService({ service }: { service: (typeof services)[number] }) {
  const { t } = useTranslation('office')
  const { data, error, refetch } = useQuery({
    queryKey: officeKey('settings', service),
    queryFn: ({ signal }) => body(api.GET('/v1/admin/settings/{service}', { params: { path: { service } }, signal })),
  })
  return (
    <section aria-labelledby={`settings-${service}`}>
      <h2 id={`settings-${service}`} className="mb-2 text-lg font-semibold">{service}</h2>
      {error ? <ErrorNotice error={error} retry={() => void refetch()} /> : !data ? <Placeholder className="h-40" /> : (
        <ul className={rows}>
          {data.items.map((setting) => (
            <li key={setting.name} className="grid gap-1 p-4 md:grid-cols-[minmax(0,1fr)_minmax(0,1fr)] md:gap-6">
              <div>
                <p className="font-mono text-sm font-medium break-all">{setting.name}</p>
                <p className="text-sm text-slate-700">{setting.doc}</p>
                <p className="text-sm text-slate-700">{setting.form}</p>
              </div>
              <div className="min-w-0">
                <pre className="font-mono text-sm break-all whitespace-pre-wrap">{setting.value.trim() || t('admin.empty')}</pre>
                <p className="mt-1 text-sm text-slate-700">{setting.set ? t('admin.was_set') : t('admin.by_default')}</p>
              </div>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}
