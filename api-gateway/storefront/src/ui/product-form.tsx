import { useState, type ReactNode } from 'react'
import { useForm, type UseFormReturn } from 'react-hook-form'
import { useTranslation } from 'react-i18next'
import { isWhole, type ProductFields } from '../lib/product-form'
import { parseMoney } from '../lib/money'
import { Button } from './button'
import { Input, Textarea } from './field'
import { showFieldErrors } from './form'
import { ErrorNotice } from './notice'
import { Pictures, type Upload } from './pictures'

const named = ['name', 'description', 'category', 'price', 'sku', 'max_per_order', 'stock'] as const

type Props = {
  fields: ProductFields
  currency: { code: string; exponent: number }
  fresh?: boolean // it is not in the shop yet
  submitLabel: string
  /** Sends the fields. What it throws is shown here, unless it returns true for it. */
  onSubmit: (fields: ProductFields) => Promise<void>
  /** Without it files cannot be chosen. */
  upload?: Upload
  children?: (form: UseFormReturn<ProductFields>) => ReactNode
}

/** Asks for what a product is. */
export function ProductForm({ fields, currency, fresh = false, submitLabel, onSubmit, upload, children }: Props) {
  const { t } = useTranslation('office')
  const form = useForm({ defaultValues: fields })
  const { register, handleSubmit, formState, watch, setError: setFieldError } = form
  const [error, setError] = useState<unknown>()
  const submit = handleSubmit(async (values) => {
    setError(undefined)
    try {
      await onSubmit(values)
    } catch (e) {
      if (!showFieldErrors(e, named, setFieldError)) setError(e)
    }
  })
  const problem = (name: (typeof named)[number]) => formState.errors[name]?.message
  const missing = { required: t('sell.missing') }
  return (
    <form onSubmit={(e) => void submit(e)} noValidate className="space-y-4">
      {children?.(form)}
      {error !== undefined && <ErrorNotice error={error} />}
      <Input label={t('sell.name')} maxLength={200} {...register('name', missing)} error={problem('name')} />
      <Textarea label={t('sell.description')} maxLength={10000} {...register('description')} error={problem('description')} />
      <div className="grid gap-4 sm:grid-cols-2">
        <Input label={t('sell.price', { currency: currency.code })} inputMode="decimal" {...register('price', { validate: (v) => parseMoney(v, currency.exponent) !== undefined || t('sell.price_bad') })} error={problem('price')} />
        <Input label={t('sell.category')} hint={t('sell.category_hint')} maxLength={255} {...register('category')} error={problem('category')} />
        <Input label={t('sell.sku')} maxLength={100} {...register('sku')} error={problem('sku')} />
        <Input label={t('sell.max')} inputMode="numeric" {...register('max_per_order', { validate: (v) => v.trim() === '' || isWhole(v, 1) || t('sell.whole') })} error={problem('max_per_order')} />
      </div>
      <label className="flex items-start gap-3">
        <input type="checkbox" {...register('stock_tracked')} className="mt-1 size-4 accent-brand-700" />
        <span>{t('sell.tracked')}<span className="block text-sm text-slate-700">{t('sell.tracked_hint')}</span></span>
      </label>
      {fresh && watch('stock_tracked') && (
        <Input label={t('sell.stock')} inputMode="numeric" {...register('stock', { validate: (v) => isWhole(v) || t('sell.whole') })} error={problem('stock')} />
      )}
      <Pictures form={form} upload={upload} />
      <Button type="submit" busy={formState.isSubmitting}>{submitLabel}</Button>
    </form>
  )
}
