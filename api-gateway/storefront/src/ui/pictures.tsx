import { useRef, useState } from 'react'
import { useFieldArray, type UseFormReturn } from 'react-hook-form'
import { useTranslation } from 'react-i18next'
import { isCode } from '../api/problem'
import type { ProductFields } from '../lib/product-form'
import { Button } from './button'
import { Input } from './field'
import { Notice, useErrorText } from './notice'
import { Picture } from './picture'

const most = 10

/** Sends a file. It returns the address of the picture, or undefined if the product had it. */
export type Upload = (file: File) => Promise<string | undefined>

type Props = { form: UseFormReturn<ProductFields>; upload: Upload | undefined }

/** The pictures of a product: the first is the main one. */
export function Pictures({ form, upload }: Props) {
  const { t } = useTranslation('office')
  const { fields, append, remove, move } = useFieldArray({ control: form.control, name: 'pictures' })
  const shown = form.watch('pictures')
  return (
    <fieldset className="space-y-4">
      <legend className="mb-1 text-sm font-medium">{t('sell.pictures')}</legend>
      {fields.map((field, i) => (
        <div key={field.id} className="grid grid-cols-[5rem_minmax(0,1fr)] gap-3 rounded-lg border border-slate-200 p-3">
          <Picture key={shown[i]?.url} src={shown[i]?.url} alt="" />
          <div className="space-y-3">
            <Input label={t('sell.picture_alt', { n: i + 1 })} maxLength={250} {...form.register(`pictures.${i}.alt`)} />
            <Input
              label={t('sell.picture_url', { n: i + 1 })}
              maxLength={2048}
              {...form.register(`pictures.${i}.url`, { validate: (v) => /^(https?:\/\/|\/)\S+$/.test(v.trim()) || t('sell.url_bad') })}
              error={form.formState.errors.pictures?.[i]?.url?.message}
            />
            <div className="flex flex-wrap gap-x-4">
              <Button look="link" onClick={() => remove(i)}>{t('sell.remove_picture', { n: i + 1 })}</Button>
              {i > 0 && <Button look="link" onClick={() => move(i, 0)}>{t('sell.first_picture', { n: i + 1 })}</Button>}
            </div>
          </div>
        </div>
      ))}
      {!upload && <p className="text-sm text-slate-700">{t('sell.upload_later')}</p>}
      {fields.length < most && (
        <div className="flex flex-wrap gap-3">
          {upload && <Chooser room={most - fields.length} send={upload} add={(url) => append({ url, alt: '' }, { shouldFocus: false })} />}
          <Button look="plain" onClick={() => append({ url: '', alt: '' })}>{t('sell.add_picture')}</Button>
        </div>
      )}
    </fieldset>
  )
}

type ChooserProps = { room: number; send: Upload; add: (url: string) => void }

/** Lets a seller choose files and sends them one after the other. */
function Chooser({ room, send, add }: ChooserProps) {
  const { t } = useTranslation('office')
  const text = useErrorText()
  const input = useRef<HTMLInputElement>(null)
  const [sending, setSending] = useState(false)
  const [problems, setProblems] = useState<string[]>([])
  const take = async (files: File[]) => {
    setSending(true)
    const found: string[] = []
    for (const file of files.slice(0, room)) {
      try {
        const url = await send(file)
        if (url) add(url)
        else found.push(t('sell.upload_there', { name: file.name }))
      } catch (error) {
        found.push(`${file.name}: ${isCode(error, 'validation_failed', 'unsupported_media_type') ? t('sell.upload_bad') : text(error)}`)
      }
    }
    if (files.length > room) found.push(t('sell.upload_room', { count: most }))
    setProblems(found)
    setSending(false)
  }
  return (
    <>
      <input
        ref={input}
        type="file"
        accept="image/*"
        multiple
        hidden
        aria-label={t('sell.upload')}
        onChange={(e) => {
          const files = [...(e.target.files ?? [])]
          e.target.value = '' // so that the same file can be chosen again
          void take(files)
        }}
      />
      <Button look="plain" busy={sending} onClick={() => input.current?.click()}>{sending ? t('sell.uploading') : t('sell.upload')}</Button>
      {problems.length > 0 && <div className="order-last w-full"><Notice tone="bad">{problems.map((p) => <p key={p}>{p}</p>)}</Notice></div>}
    </>
  )
}
