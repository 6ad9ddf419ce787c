import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { UseFormReturn } from 'react-hook-form'
import { useTranslation } from 'react-i18next'
import { Link, useNavigate, useParams } from 'react-router'
import { api, body, type Product } from '../../api/client'
import { isCode } from '../../api/problem'
import { currency, officeKey, product as productQuery } from '../../api/queries'
import { uploadPicture } from '../../lib/upload'
import { differing, toBody, toFields, type ProductFields } from '../../lib/product-form'
import { Button } from '../../ui/button'
import { Dialog } from '../../ui/dialog'
import { ErrorNotice, Notice, useErrorText } from '../../ui/notice'
import { Card, Page, Placeholder } from '../../ui/page'
import { ProductForm } from '../../ui/product-form'
import { useToast } from '../../ui/toast'
import NotFound from '../not-found'
import { Stock } from './stock'

export default function EditProduct() {
  const { t } = useTranslation('office')
  const { id = '' } = useParams()
  const money = useQuery(currency)
  // What is edited stays as it was read: a newer version shows when it is saved.
  const { data, error, refetch } = useQuery({ ...productQuery(id), queryKey: officeKey('product', id), staleTime: Infinity, gcTime: 0 })
  if (isCode(error, 'not_found', 'bad_request')) return <NotFound />
  const failed = error ?? money.error
  if (failed) return <ErrorNotice error={failed} retry={() => void Promise.all([refetch(), money.refetch()])} />
  if (!data || !money.data) return <Placeholder className="h-96" />
  const actions = <Link to={`/products/${id}`} className="font-medium text-brand-700 underline">{t('sell.show')}</Link>
  return (
    <Page title={data.name} actions={actions}>
      <div className="grid grid-cols-1 items-start gap-8 lg:grid-cols-[minmax(0,1fr)_24rem]">
        <div className="space-y-6">
          <Card><Edit product={data} currency={money.data} /></Card>
          <Remove product={data} />
        </div>
        {data.stock_tracked && <Stock id={id} />}
      </div>
    </Page>
  )
}

function Edit({ product, currency }: { product: Product; currency: { code: string; exponent: number } }) {
  const { t } = useTranslation('office')
  const { t: shop } = useTranslation()
  const queries = useQueryClient()
  const say = useToast()
  const [base, setBase] = useState(product) // the version that the form began with
  const [theirs, setTheirs] = useState<Product>()
  const save = async (fields: ProductFields, from: Product) => {
    const request = { params: { path: { id: product.id }, header: { 'If-Match': `"${from.version}"` } }, body: toBody(fields, currency.exponent) }
    try {
      const saved = await body(api.PATCH('/v1/products/{id}', request))
      queries.setQueryData(officeKey('product', product.id), saved)
      void queries.invalidateQueries({ queryKey: officeKey('products') })
      setBase(saved)
      setTheirs(undefined)
      say(t('sell.saved'))
    } catch (error) {
      if (!isCode(error, 'precondition_failed')) throw error
      setTheirs(await body(api.GET('/v1/products/{id}', { params: { path: { id: product.id } } })))
    }
  }
  const upload = async (file: File) => {
    const { product: now, added } = await uploadPicture(product.id, file)
    queries.setQueryData(officeKey('product', product.id), now)
    void queries.invalidateQueries({ queryKey: officeKey('products') })
    // If somebody else changed it in between, the next save says so.
    setBase((before) => (now.version === before.version + 1 ? now : before))
    return added
  }
  return (
    <ProductForm upload={upload} fields={toFields(base, currency.exponent)} currency={currency} submitLabel={shop('shop.save')} onSubmit={(fields) => save(fields, base)}>
      {(form) => theirs && (
        <Conflict
          form={form}
          theirs={toFields(theirs, currency.exponent)}
          take={() => {
            setBase(theirs)
            setTheirs(undefined)
            form.reset(toFields(theirs, currency.exponent))
          }}
          keep={(fields) => save(fields, theirs)}
        />
      )}
    </ProductForm>
  )
}

const labels = { name: 'name', description: 'description', category: 'category', price: 'price', sku: 'sku', max_per_order: 'max', stock_tracked: 'tracked', pictures: 'pictures', stock: 'stock' } as const

type ConflictProps = { form: UseFormReturn<ProductFields>; theirs: ProductFields; take: () => void; keep: (fields: ProductFields) => Promise<void> }

/** Shows in what the version of somebody else differs, and lets the seller choose. */
function Conflict({ form, theirs, take, keep }: ConflictProps) {
  const { t } = useTranslation('office')
  const say = useToast()
  const text = useErrorText()
  const mine = form.watch()
  const shown = (value: ProductFields[keyof ProductFields]) =>
    typeof value === 'string' ? value : typeof value === 'boolean' ? (value ? '✓' : '–') : value.map((p) => p.url).join(', ')
  return (
    <Notice tone="warn">
      <p>{t('sell.conflict')}</p>
      <dl className="my-3 space-y-1">
        {differing(mine, theirs).map((name) => (
          <div key={name}><dt className="inline font-medium">{t(`sell.${labels[name]}`, { currency: '' })}: </dt><dd className="inline">{shown(theirs[name])}</dd></div>
        ))}
      </dl>
      <div className="flex flex-wrap gap-3">
        <Button look="plain" onClick={take}>{t('sell.take')}</Button>
        <Button look="plain" onClick={() => void form.handleSubmit(keep)().catch((e: unknown) => say(text(e)))}>{t('sell.keep')}</Button>
      </div>
    </Notice>
  )
}

function Remove({ product }: { product: Product }) {
  const { t } = useTranslation('office')
  const { t: shop } = useTranslation()
  const navigate = useNavigate()
  const queries = useQueryClient()
  const say = useToast()
  const text = useErrorText()
  const [asking, setAsking] = useState(false)
  const remove = useMutation({
    mutationFn: () => body(api.DELETE('/v1/products/{id}', { params: { path: { id: product.id } } })),
    onSuccess: async () => {
      say(t('sell.removed', { name: product.name }))
      void queries.invalidateQueries({ queryKey: officeKey('products') })
      await navigate('/sell', { replace: true })
    },
    onError: (e) => say(text(e)),
    onSettled: () => setAsking(false),
  })
  return (
    <>
      <Button look="danger" onClick={() => setAsking(true)}>{t('sell.remove')}</Button>
      <Dialog title={t('sell.remove')} open={asking} onClose={() => setAsking(false)}>
        <p>{t('sell.remove_ask')}</p>
        <div className="mt-5 flex justify-end gap-3">
          <Button look="plain" onClick={() => setAsking(false)}>{shop('shop.cancel')}</Button>
          <Button look="danger" busy={remove.isPending} onClick={() => remove.mutate()}>{t('sell.remove')}</Button>
        </div>
      </Dialog>
    </>
  )
}
