import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useNavigate } from 'react-router'
import { api, body } from '../../api/client'
import { currency, officeKey } from '../../api/queries'
import { once } from '../../lib/intent'
import { noFields, toNew } from '../../lib/product-form'
import { ErrorNotice } from '../../ui/notice'
import { Card, Page, Placeholder } from '../../ui/page'
import { ProductForm } from '../../ui/product-form'
import { useToast } from '../../ui/toast'

export default function NewProduct() {
  const { t } = useTranslation('office')
  const navigate = useNavigate()
  const queries = useQueryClient()
  const say = useToast()
  const { data, error, refetch } = useQuery(currency)
  if (error) return <ErrorNotice error={error} retry={() => void refetch()} />
  return (
    <Page title={t('sell.new')}>
      {!data ? <Placeholder className="h-96" /> : (
        <Card className="max-w-3xl">
          <ProductForm
            fresh
            fields={noFields}
            currency={data}
            submitLabel={t('sell.new')}
            onSubmit={async (fields) => {
              const request = toNew(fields, data.exponent)
              const product = await once('product', request, (key) =>
                body(api.POST('/v1/products', { params: { header: { 'Idempotency-Key': key } }, body: request })))
              void queries.invalidateQueries({ queryKey: officeKey('products') })
              say(t('sell.created'))
              await navigate(`/sell/products/${product.id}`, { replace: true })
            }}
          />
        </Card>
      )}
    </Page>
  )
}
