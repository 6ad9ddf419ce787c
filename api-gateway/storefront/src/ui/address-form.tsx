import { zodResolver } from '@hookform/resolvers/zod'
import { useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { useForm } from 'react-hook-form'
import { useTranslation } from 'react-i18next'
import { z } from 'zod'
import type { Address, AddressRequest, Schemas } from '../api/client'
import { country } from '../api/queries'
import { countries, likelyCountry } from '../lib/countries'
import { Button } from './button'
import { Input, Select } from './field'
import { showFieldErrors } from './form'
import { ErrorNotice } from './notice'

type Rules = Schemas['AddressField'][]
const standard: Rules = [{ name: 'street', required: true, label: 'street' }, { name: 'city', required: true, label: 'city' }]
const names = ['recipient', 'phone', 'street', 'city', 'state', 'postal_code', 'country'] as const
const autoComplete = { street: 'street-address', city: 'address-level2', state: 'address-level1', postal_code: 'postal-code' } as const
const limits = { street: 200, city: 100, state: 100, postal_code: 20 } as const

/** The rules of a country as a schema; missing and wrong are what they say. */
export function addressSchema(rules: Rules, missing: string, wrong: (example: string) => string) {
  const field = (name: keyof typeof limits) => {
    const rule = rules.find((r) => r.name === name)
    const text = z.string().trim().max(limits[name])
    const filled = rule?.required ? text.min(1, missing) : text
    if (!rule?.pattern) return filled
    const pattern = new RegExp(`^(?:${rule.pattern})$`, 'i')
    return filled.refine((value) => value === '' || pattern.test(value), wrong(rule.example ?? ''))
  }
  return z.object({
    recipient: z.string().trim().min(1, missing).max(100),
    phone: z.string().trim().max(32),
    country: z.string().length(2),
    street: field('street'),
    city: field('city'),
    state: field('state'),
    postal_code: field('postal_code'),
  })
}

type Props = { address?: Address | undefined; submitLabel: string; onSubmit: (address: AddressRequest) => Promise<void>; onCancel?: (() => void) | undefined }

/** Asks for what an address in a country needs, in that country's order. */
export function AddressForm({ address, submitLabel, onSubmit, onCancel }: Props) {
  const { t, i18n } = useTranslation()
  const [error, setError] = useState<unknown>()
  const [code, setCode] = useState(address?.country ?? likelyCountry())
  const { data } = useQuery(country(code))
  const rules = data?.fields ?? standard
  const schema = useMemo(() => addressSchema(rules, t('address.missing'), (example) => t('address.invalid', { example })), [rules, t])
  const all = useMemo(() => countries(i18n.language), [i18n.language])
  const { register, handleSubmit, setError: setFieldError, formState } = useForm({
    resolver: zodResolver(schema),
    defaultValues: { recipient: '', phone: '', street: '', city: '', state: '', postal_code: '', ...address, country: code },
  })
  const submit = handleSubmit(async (values) => {
    setError(undefined)
    const shown = new Set(rules.map((rule) => rule.name))
    const keep = (name: 'city' | 'state' | 'postal_code') => (shown.has(name) ? values[name] : '')
    try {
      await onSubmit({
        recipient: values.recipient, street: values.street, country: values.country,
        city: keep('city'), state: keep('state'), postal_code: keep('postal_code'), ...(values.phone && { phone: values.phone }),
      })
    } catch (e) {
      if (!showFieldErrors(e, names, setFieldError)) setError(e)
    }
  })
  const label = (rule: Rules[number]) => {
    const key = `address.labels.${rule.label}`
    return i18n.exists(key) ? t(key as 'address.city') : t(`address.${rule.name}`)
  }
  return (
    <form onSubmit={(e) => void submit(e)} noValidate className="space-y-4">
      {error !== undefined && <ErrorNotice error={error} />}
      <Select label={t('address.country')} autoComplete="country" {...register('country', { onChange: (e: { target: { value: string } }) => setCode(e.target.value) })}>
        {all.map(({ code: c, name }) => <option key={c} value={c}>{name}</option>)}
      </Select>
      <Input label={t('address.recipient')} autoComplete="name" maxLength={100} {...register('recipient')} error={formState.errors.recipient?.message} />
      {rules.map((rule) => (
        <Input
          key={rule.name}
          label={rule.required ? label(rule) : `${label(rule)} (${t('shop.optional')})`}
          autoComplete={autoComplete[rule.name]}
          maxLength={limits[rule.name]}
          {...register(rule.name)}
          error={formState.errors[rule.name]?.message}
        />
      ))}
      <Input label={`${t('address.phone')} (${t('shop.optional')})`} type="tel" autoComplete="tel" maxLength={32} {...register('phone')} error={formState.errors.phone?.message} />
      <div className="flex gap-3">
        <Button type="submit" busy={formState.isSubmitting}>{submitLabel}</Button>
        {onCancel && <Button look="plain" onClick={onCancel}>{t('shop.cancel')}</Button>}
      </div>
    </form>
  )
}
