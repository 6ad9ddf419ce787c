import type { Schemas } from '../api/client'
import { useFormat } from '../lib/format'

export function AddressText({ address }: { address: Schemas['OrderAddress'] }) {
  const { country } = useFormat()
  const town = [address.postal_code, address.city, address.state].filter(Boolean).join(' ')
  return (
    <address className="not-italic">
      <span className="block font-medium">{address.recipient}</span>
      <span className="block">{address.street}</span>
      {town && <span className="block">{town}</span>}
      <span className="block">{country(address.country)}</span>
      {address.phone && <span className="block">{address.phone}</span>}
    </address>
  )
}
