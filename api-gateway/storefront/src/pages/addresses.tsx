import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Address } from '../api/client'
import { addresses } from '../api/queries'
import { useAddressBook } from '../lib/addresses'
import { AddressForm } from '../ui/address-form'
import { AddressText } from '../ui/address-text'
import { Button } from '../ui/button'
import { Dialog } from '../ui/dialog'
import { ErrorNotice, useErrorText } from '../ui/notice'
import { Card, Empty, Page, Placeholder } from '../ui/page'
import { useToast } from '../ui/toast'

export default function Addresses() {
  const { t } = useTranslation()
  const { data, error, refetch } = useQuery(addresses)
  const book = useAddressBook()
  const say = useToast()
  const text = useErrorText()
  const [editing, setEditing] = useState<Address | 'new'>()
  const add = <Button onClick={() => setEditing('new')}>{t('address.add')}</Button>
  const address = editing === 'new' ? undefined : editing
  return (
    <Page title={t('address.title')} actions={data && data.items.length > 0 && add}>
      {error ? <ErrorNotice error={error} retry={() => void refetch()} />
        : !data ? <Placeholder />
        : data.items.length === 0 ? <Empty title={t('address.none')}>{add}</Empty>
        : (
          <ul className="grid gap-4 sm:grid-cols-2">
            {data.items.map((a) => (
              <li key={a.id}>
                <Card className="h-full">
                  <AddressText address={a} />
                  <div className="mt-4 flex gap-4">
                    <Button look="link" aria-label={`${t('shop.edit')}: ${a.recipient}, ${a.street}`} onClick={() => setEditing(a)}>{t('shop.edit')}</Button>
                    <Button look="link" aria-label={`${t('shop.remove')}: ${a.recipient}, ${a.street}`} onClick={() => void book.remove(a.id).catch((e: unknown) => say(text(e)))}>
                      {t('shop.remove')}
                    </Button>
                  </div>
                </Card>
              </li>
            ))}
          </ul>
        )}
      <Dialog title={address ? t('address.edit') : t('address.add')} open={editing !== undefined} onClose={() => setEditing(undefined)}>
        <AddressForm
          address={address}
          submitLabel={t('shop.save')}
          onCancel={() => setEditing(undefined)}
          onSubmit={async (values) => {
            await (address ? book.replace(address.id, values) : book.add(values))
            setEditing(undefined)
          }}
        />
      </Dialog>
    </Page>
  )
}
